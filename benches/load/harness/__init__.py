"""Parts of the load benchmark: processes, servers, tools, cases, tables. Needs only Python's standard library."""
