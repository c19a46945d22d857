"""Shows a finished document: tables, pictures, and the comparison with an earlier one."""
