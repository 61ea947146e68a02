#include "store/pages.h"

#include "base/mem.h"

void hr_pages_fini(struct hr_pages *p)
{
	for (size_t i = 0; i < p->page_cap; i++)
		hr_free(p->page[i]);
	hr_free(p->page);
	*p = (struct hr_pages){.item_bytes = p->item_bytes};
}

void *hr_pages_at(const struct hr_pages *p, uint32_t number)
{
	const size_t page = number / HR_PAGE_ITEMS;

	if (page >= p->page_cap || p->page[page] == NULL)
		return NULL;
	return p->page[page] + number % HR_PAGE_ITEMS * p->item_bytes;
}

void *hr_pages_reach(struct hr_pages *p, uint32_t number)
{
	const size_t page = number / HR_PAGE_ITEMS;

	p->page = hr_grow(p->page, &p->page_cap, page + 1, sizeof *p->page);
	if (p->page[page] == NULL) {
		p->page[page] = hr_alloc(HR_PAGE_ITEMS, p->item_bytes);
		p->page_count++;
	}
	return hr_pages_at(p, number);
}

size_t hr_pages_memory_bytes(const struct hr_pages *p)
{
	return p->page_cap * sizeof *p->page + p->page_count * HR_PAGE_ITEMS * p->item_bytes;
}

void hr_dirty_fini(struct hr_dirty *d)
{
	hr_free(d->word);
	hr_free(d->list);
	*d = (struct hr_dirty){0};
}

void hr_dirty_mark(struct hr_dirty *d, uint32_t number)
{
	const uint64_t bit = UINT64_C(1) << (number % 64);

	d->word = hr_grow(d->word, &d->word_cap, number / 64 + 1, sizeof *d->word);
	if ((d->word[number / 64] & bit) != 0)
		return;
	d->word[number / 64] |= bit;
	d->count++;
	d->listed = false;
}

const uint32_t *hr_dirty_list(struct hr_dirty *d, size_t *ret_count)
{
	if (!d->listed) {
		size_t n = 0;

		d->list = hr_grow(d->list, &d->list_cap, d->count, sizeof *d->list);
		for (size_t i = 0; n < d->count; i++)
			for (uint64_t left = d->word[i]; left != 0; left &= left - 1)
				d->list[n++] = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(left);
		d->listed = true;
	}
	*ret_count = d->count;
	return d->list;
}

void hr_dirty_clear(struct hr_dirty *d)
{
	size_t n;
	const uint32_t *list = hr_dirty_list(d, &n);

	for (size_t i = 0; i < n; i++)
		d->word[list[i] / 64] = 0;
	d->count = 0;
	d->listed = false;
}
