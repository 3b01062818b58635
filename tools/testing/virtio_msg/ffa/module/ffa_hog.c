// SPDX-License-Identifier: GPL-2.0
/*
 * For the FF-A tests: memory in small pieces. Takes all larger pieces that there
 * are, and gives some back in pieces of 2^ORDER pages, none of which are
 * neighbours, so that who wants a lot of memory has to get it piece by piece.
 * Unloading gives all back.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

/* 64 KiB, but not single pages: some drivers cannot do without a larger piece. */
#define ORDER	max(get_order(SZ_64K), 1)

static unsigned int give_kb = 131072;
module_param(give_kb, uint, 0444);
MODULE_PARM_DESC(give_kb, "KiB to give back (default 131072)");

static LIST_HEAD(pages);
static unsigned long left;

static void take(struct page *page, unsigned int order)
{
	unsigned int n;

	split_page(page, order);
	for (n = 0; n < BIT(order); n++, page++) {
		if (left && !(n & BIT(ORDER))) {
			left--;
			__free_page(page);
		} else {
			list_add(&page->lru, &pages);
		}
	}
}

static int __init hog_init(void)
{
	unsigned int order;
	struct page *page;

	left = give_kb / (PAGE_SIZE / SZ_1K);
	for (order = MAX_PAGE_ORDER; order > ORDER; order--) {
		while ((page = alloc_pages(GFP_KERNEL | __GFP_NORETRY |
					   __GFP_NOWARN, order)))
			take(page, order);
	}
	return 0;
}
module_init(hog_init);

static void __exit hog_exit(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
}
module_exit(hog_exit);

MODULE_DESCRIPTION("Memory in small pieces, for the FF-A tests");
MODULE_LICENSE("GPL");
