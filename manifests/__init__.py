"""What a row is: schemas, typed rows, Parquet storage, lineage, and the field's file formats."""
