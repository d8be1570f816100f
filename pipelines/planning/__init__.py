"""What a job will take, said before it runs: work, hours, disk and money, and how sure that is."""
