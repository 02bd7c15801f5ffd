"""The shell: study files, command line, Ray, disk layout, report."""
