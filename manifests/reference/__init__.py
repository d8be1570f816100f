"""Published facts that ship with the program, as data."""
