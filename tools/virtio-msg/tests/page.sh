#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
#
# Is what the page about writing a device shows of the example still in it? Each
# block of C has to be there, line by line and in this order.
#
#	page.sh PAGE.rst EXAMPLE.c

awk -v example="$2" '
function ends() {
	if (!block)
		return
	n++
	if (missing == "")
		print "ok " n " - block " n " of the page is in the example"
	else
		print "not ok " n " - block " n ": the example has no\n# " missing
	block = 0
}
BEGIN {
	while ((getline line <example) > 0)
		source[++lines] = line
}
/^\.\. code-block:: c$/ { ends(); block = 1; at = 1; missing = ""; next }
/^[^ ]/ { ends() }
block && /^    / {
	sub(/^    /, "")
	for (i = at; i <= lines && source[i] != $0; i++)
		;
	if (i > lines && missing == "")
		missing = $0
	at = i + 1
}
END {
	ends()
	print "1.." n + 0
	exit n < 1
}' "$1"
