"""The verbs of the command line, one file each; none is loaded before it is asked for."""
