"""Where alerts go: stdout, files, programs, and the spool that the controller reads."""
