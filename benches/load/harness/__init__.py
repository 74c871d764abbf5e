"""What the load benchmark is made of: processes, servers, tools, cases, tables. Python's standard library alone."""
