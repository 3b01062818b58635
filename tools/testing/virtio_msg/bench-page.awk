# SPDX-License-Identifier: GPL-2.0
#
# bench-page.awk: from what bench.sh has measured, the tables of bench.rst, and
# into the file "plot" a group of bars for each job, with a scale of its own.

BEGIN {
	jobs = split("read-1 write-1 read-32 write-32 large-8", job)
	ways = split("null_blk ublk vduse nbd ours vhost_user vhost_raw", way)
	title["read-1"] = "4k read, 1 at a time"
	title["write-1"] = "4k write, 1 at a time"
	title["read-32"] = "4k read, 32"
	title["write-32"] = "4k write, 32"
	title["large-8"] = "256k read, 8"
	title["null_blk"] = "null_blk"
	title["ublk"] = "ublk"
	title["vduse"] = "VDUSE"
	title["nbd"] = "NBD"
	title["ours"] = "virtio-msg-device"
	title["vhost_user"] = "virtio-msg-vhost-user"
	title["vhost_raw"] = "the same, not cleared"
	title["tap_net"] = "a program with two taps"
	title["ours_net"] = "virtio-msg-device"
	color["null_blk"] = "#cccccc"
	color["ublk"] = color["vduse"] = color["nbd"] = "#999999"
	color["ours"] = "#1f6fb4"
	color["vhost_user"] = color["vhost_raw"] = "#64a6dc"
	# What we want to reach, in microseconds.
	limit["blk-read-1"] = 24
	limit["blk-write-1"] = 24.5
	limit["blk-read-32"] = 15
	limit["blk-large-8"] = 150
	limit["bind"] = 1700
	parts = split("user program module virtio pin copy clear kernel", part)
	title["user"] = "fio, with its libraries"
	title["program"] = "the device's program, with its libraries"
	title["module"] = "the modules of virtio-msg, or VDUSE"
	title["virtio"] = "virtio_blk and virtio_ring"
	title["pin"] = "taking and giving back the reader's pages"
	title["copy"] = "copying"
	title["clear"] = "clearing"
	title["kernel"] = "the rest of the kernel"
}

$1 == "left-out" {
	left_out[++left] = title[$3] " (" $2 "): " substr($0, length($1 $2 $3) + 4)
	next
}

{ got[$1, $2] = $3 }

function value(what, who) {
	return (what, who) in got ? got[what, who] : "--"
}

# Rows are of strings with | between the columns.
function row(text,    n, i, column) {
	n = split(text, column, "|")
	for (i = 1; i <= n; i++)
		printf "   %s %s\n", i == 1 ? "* -" : "  -", column[i]
}

function table(head) {
	printf "\n.. list-table::\n   :header-rows: 1\n\n"
	row(head)
}

function against(who, what, name, bar) {
	if ((what, who) in got && bar + 0)
		row(title[who] ": " name "|" got[what, who] "|" bar "|" \
		    sprintf("%.2f", got[what, who] / bar))
}

function have(what, who) {
	return (what, who) in got
}

# Where the time of a job goes, in each of some ways
function profile(job,    n, who, text, p, w, sum) {
	n = split("ours vhost_user vhost_raw vduse", who)
	text = title[job]
	for (w = 1; w <= n; w++)
		text = text "|" title[who[w]]
	table(text)
	for (p = 1; p <= parts; p++) {
		text = title[part[p]]
		for (w = 1; w <= n; w++) {
			text = text "|" value("part-" job, who[w] "/" part[p])
			sum[w] += got["part-" job, who[w] "/" part[p]]
		}
		row(text)
	}
	text = "all together"
	for (w = 1; w <= n; w++)
		text = text "|" sprintf("%.2f", sum[w])
	row(text)
}

function bars(what, y,    w, us, most, long) {
	for (w = 1; w <= ways; w++)
		if (have(what, way[w]) && got[what, way[w]] + 0 > most)
			most = got[what, way[w]] + 0
	for (w = 1; w <= ways; w++) {
		if (!have(what, way[w]))
			continue
		us = got[what, way[w]]
		long = most ? us / most * 470 : 0
		printf "<text x=\"162\" y=\"%d\" text-anchor=\"end\">%s</text>\n", \
			y + 11, title[way[w]] >plot
		printf "<rect x=\"170\" y=\"%d\" width=\"%.1f\" height=\"13\"", y, long >plot
		printf " fill=\"%s\"/>\n", color[way[w]] >plot
		printf "<text x=\"%d\" y=\"%d\">%s</text>\n", 176 + long, y + 11, us >plot
		y += 17
	}
	return y
}

function draw(    j, y) {
	print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"" \
		jobs * (ways * 17 + 34) "\"" >plot
	print "     font-family=\"sans-serif\" font-size=\"12\">" >plot
	print "<!-- SPDX-License-Identifier: GPL-2.0; drawn by make bench -->" >plot
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>" >plot
	y = 22
	for (j = 1; j <= jobs; j++) {
		printf "<text x=\"10\" y=\"%d\" font-weight=\"bold\">", y >plot
		print title[job[j]] ": microseconds</text>" >plot
		y = bars("blk-" job[j], y + 8) + 26
	}
	print "</svg>" >plot
}

END {
	draw()
	text = "Disk"
	for (j = 1; j <= jobs; j++)
		text = text "|" title[job[j]]
	table(text)
	for (w = 1; w <= ways; w++) {
		if (!have("blk-" job[1], way[w]))
			continue
		text = title[way[w]]
		for (j = 1; j <= jobs; j++)
			text = text "|" value("blk-" job[j], way[w])
		row(text)
	}

	print "\nWhat is wanted of ours: of the device with nothing behind it to be as fast as"
	print "ublk was when this was begun, and of the vhost-user back end to be faster than"
	print "the same program under VDUSE in the same run. A ratio of 1 or less is good."
	table("What|Measured|Wanted|Ratio")
	for (j = 1; j <= jobs; j++)
		against("ours", "blk-" job[j], title[job[j]], limit["blk-" job[j]])
	against("ours", "bind", "bind of virtio_blk", limit["bind"])
	for (j = 1; j <= jobs; j++)
		against("vhost_user", "blk-" job[j], title[job[j]], value("blk-" job[j], "vduse"))
	against("vhost_raw", "blk-large-8", title["large-8"], value("blk-large-8", "vduse"))

	print "\nWhere the instructions of a read go, by a plugin of QEMU that counts them, in"
	print "microseconds. Copying and clearing are what whole pages take."
	profile("read-1")
	profile("large-8")
	print "\nMost of a small read is the scheduler's (two switches, one wake-up), and the"
	print "system calls' and the block layer's with io_uring: the \"rest of the kernel\". With"
	print "VDUSE the driver's callback runs in a worker, which is one switch more; here it runs"
	print "in an interrupt that the writer of the eventfd raises."
	print "\nReads of 256k are where VDUSE is faster. Both copy to the driver's pages what was"
	print "read, but the pool also clears a place before the device gets to write there, and"
	print "that is as much work as the copy. VDUSE clears its bounce pages when they are new:"
	print "a read that fails shows its user what somebody else has read or written. What the"
	print "device side says of how much it has written is no help: QEMU says all of it, also"
	print "of a read that has failed. Nothing cheaper is known that does not show anything."
	print "Whoever has a device side that fills all buffers may do without, which is what"
	print "\"not cleared\" shows."

	print "\nWhat binding virtio_blk to the device again takes, and how long after a"
	print "kill -9 of the program (with vhost-user, of ours) a process that reads sees its"
	print "first error. With \"none\" there was no error within two minutes, nor any data."
	table("Disk|Bind|Message pairs|Further calls|Kill to error")
	for (w = 1; w <= ways; w++)
		if (have("bind", way[w]) || have("kill", way[w]))
			row(title[way[w]] "|" value("bind", way[w]) "|" value("pairs", way[w]) \
			    "|" value("calls", way[w]) "|" value("kill", way[w]))

	print "\nA network interface whose packets a program carries to a tap; behind that, in"
	print "both cases, the same programs answer in another network namespace: the"
	print "microseconds of a UDP packet there and back, and iperf3 in Mbit/s."
	table("Carried by|There and back|Sending|Receiving")
	nets = split("tap_net ours_net", net)
	for (w = 1; w <= nets; w++)
		if (have("trip", net[w]))
			row(title[net[w]] "|" value("trip", net[w]) "|" value("send", net[w]) \
			    "|" value("receive", net[w]))

	if (left)
		print "\nLeft out:\n"
	for (i = 1; i <= left; i++)
		print "* " left_out[i]
}
