# SPDX-License-Identifier: GPL-2.0
#
# bench-profile.awk: where the instructions of an I/O go. Reads lines that are
# sorted, so that what has run follows the name of what it belongs to:
#
#   WAY ADDRESS 1 NAME                    a function begins, or a program's code
#   WAY ADDRESS 2 JOB COUNT INSTRUCTIONS  this has run during so many I/Os
#
# and prints, of the difference between the most and the fewest I/Os:
#
#   part-JOB WAY/PART US                  of one I/O

# In the order of the rules: the first one that fits.
function part_of(name) {
	if (name ~ /^(user|program)$/)
		return name
	if (name ~ /^(clear_page|memset)/)
		return "clear"
	if (name ~ /^(copy_page|memcpy|vduse_domain_bounce)/)
		return "copy"
	if (name ~ /\[(virtio_msg|vduse|virtio_vdpa|vdpa)/)
		return "module"
	if (name ~ /\[virtio|^(virtqueue_|vring_|detach_buf|dma_(un)?map|sg_|__blk_rq_map)/)
		return "virtio"
	if (name ~ /^(gup_|try_get_folio|try_grab_folio|unpin_|__?bio_release_pages)/ ||
	    name ~ /^(bio_iov_iter|bio_set_pages|bio_check_pages|bvec_try|folio_)/ ||
	    name ~ /^(mod_node_page_state|__bio_add_page|iov_iter_extract)/)
		return "pin"
	return "kernel"
}

$1 != way {
	way = $1
	part = "user"
}

$3 == 1 { part = part_of($4) }

$3 == 2 {
	job = $4
	count = $5
	ran[way, job, part, count] += $6
	parts[part]
	if (!((way, job) in most) || count > most[way, job])
		most[way, job] = count
	if (!((way, job) in least) || count < least[way, job])
		least[way, job] = count
}

END {
	for (i in most) {
		split(i, key, SUBSEP)
		for (part in parts) {
			us = ran[i, part, most[i]] - ran[i, part, least[i]]
			printf "part-%s %s/%s %.2f\n", key[2], key[1], part, \
				us / (most[i] - least[i]) / 1000
		}
	}
}
