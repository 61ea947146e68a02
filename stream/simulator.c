#include "stream/simulator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "stream/simulator_people.h"
#include "stream/simulator_words.h"
#include "stream/simulator_world.h"

/* The truth of sessions and of time; docs/simulator.md tells it in words. */
#define EVENTS_PER_USER   13.3 /* the world is complete after users * this many events */
#define ITEMS_AT_START    0.7  /* the rest arrives evenly until the world is complete */
#define USERS_AT_START    0.05
#define STEP_GAP_MS       60e3 /* mean time between two events of one session, while enough sessions are open */
#define P_END             0.22 /* a session ends after a step; its length is geometric */
#define P_CART            0.11
#define P_PURCHASE        0.40
#define P_SAME_TYPE       0.50
#define P_FOLLOW          0.25
#define P_FOLLOW_BOUGHT   0.70
#define P_BACK            0.06 /* again to the item before this one */
#define P_TWIN            0.70 /* of a follow: to an item's own successors, else anywhere in the type that follows */
#define P_RESUME          0.20 /* a session begins at what was looked at last and not bought */
#define P_INTEREST        0.75 /* of a new intent: the user's own interests; else what is popular */
#define P_LAUNCH          0.12 /* look at something that has just arrived in the type */
#define P_NOISE           0.03 /* anything at all */
#define P_BURST           0.20 /* of a new intent: what is hot, if anything is */
#define LAUNCH_MS         (2 * 86400e3)
#define KEEP_OTHER_STYLE  0.25 /* an item of another style than the user's is looked at this often */
#define KEEP_OTHER_BRAND  0.60
#define RHYTHM            0.7  /* rate = 1 + RHYTHM * cos(hours from 20:00) */
#define P_BURST_HOUR      0.15 /* an hour begins a burst */
#define HOUR_MS           3600e3

enum { PURPOSE_EVENTS = 2, RECENT = 8, SESSIONS_MIN = 4, SESSIONS_MAX = 256,
       BURST_HOURS_MIN = 2, BURST_HOURS_MAX = 8 };

struct session {
	bool open;
	uint32_t user, number;
	uint32_t item; /* of the next event */
	uint8_t kind;  /* of the next event */
	uint32_t recent[RECENT], recent_count;
};

struct burst {
	int64_t until_hour;
	uint8_t type;
	uint32_t item; /* SIM_NO_ITEM: the whole type is hot */
};

struct hr_simulator {
	struct hr_simulator_config config;
	struct sim_world world;
	struct hr_rng rng;
	double now_ms, gap_ms, horizon;
	uint64_t event; /* number of the next one */
	double *arrived_ms; /* of each item */
	struct sim_people people;
	struct session session[SESSIONS_MAX];
	uint32_t session_count, session_number;
	struct burst burst;
	int64_t hour;
	char user_id[16], item_id[16], event_id[24], session_id[16];
};

struct hr_simulator_config hr_simulator_defaults(void)
{
	return (struct hr_simulator_config){
	        .seed = 1, .users = 15000, .items = 4000, .start_ms = INT64_C(1577836800000), .days_per_million = 50};
}

/* ---- which item ---- */

static bool seen_lately(const struct session *t, uint32_t item)
{
	for (uint32_t i = 0; i < RECENT && i < t->recent_count; i++) {
		if (t->recent[i] == item)
			return true;
	}
	return false;
}

static bool has_arrived(const struct hr_simulator *s, uint32_t item) { return item < s->world.here; }

/* The newest item of a type while its launch lasts. */
static uint32_t launched(const struct hr_simulator *s, uint8_t type)
{
	const struct sim_shelf *shelf = &s->world.shelf[type];
	const uint32_t newest = shelf->item[shelf->here - 1];

	return s->now_ms - s->arrived_ms[newest] < LAUNCH_MS && s->arrived_ms[newest] > (double)s->config.start_ms ? newest
	                                                                                                         : SIM_NO_ITEM;
}

/* By popularity, then by taste: what does not suit the user is passed over, most of the time. */
static uint32_t draw_for(struct hr_simulator *s, const struct session *t, uint8_t type)
{
	const struct sim_user *u = &s->people.user[t->user];
	const uint32_t new = sim_chance(&s->rng, P_LAUNCH) ? launched(s, type) : SIM_NO_ITEM;
	uint32_t item = 0;

	if (new != SIM_NO_ITEM && !seen_lately(t, new))
		return new;
	for (int tries = 0; tries < 12; tries++) {
		item = sim_world_draw_item(&s->world, type, &s->rng);
		const double keep = (s->world.item[item].style == u->style ? 1 : KEEP_OTHER_STYLE) *
		                    (s->world.item[item].brand == u->brand ? 1 : KEEP_OTHER_BRAND);
		if (!seen_lately(t, item) && sim_chance(&s->rng, keep))
			break;
	}
	return item;
}

static uint32_t new_intent(struct hr_simulator *s, const struct session *t)
{
	const struct burst *b = &s->burst;

	if (b->until_hour > s->hour && sim_chance(&s->rng, P_BURST))
		return b->item != SIM_NO_ITEM ? b->item : draw_for(s, t, b->type);
	if (sim_chance(&s->rng, P_INTEREST))
		return draw_for(s, t, sim_people_draw_interest(&s->people.user[t->user], &s->rng));
	return draw_for(s, t, sim_world_draw_type(&s->world, &s->rng));
}

static uint32_t follow(struct hr_simulator *s, const struct session *t)
{
	const struct sim_item *from = &s->world.item[t->item];
	const uint32_t twin = from->leads_to[hr_rng_below(&s->rng, 2 * SIM_TWINS)];

	if (sim_chance(&s->rng, P_TWIN) && has_arrived(s, twin))
		return twin;
	return draw_for(s, t, s->world.shelf[from->type].follows[hr_rng_below(&s->rng, SIM_FOLLOWS)]);
}

static uint32_t next_item(struct hr_simulator *s, const struct session *t)
{
	const double p_follow = t->kind == HR_KIND_PURCHASE ? P_FOLLOW_BOUGHT : P_FOLLOW;
	double at = hr_rng_unit(&s->rng);

	if (sim_chance(&s->rng, P_NOISE))
		return hr_rng_below(&s->rng, s->world.here);
	if (at < p_follow)
		return follow(s, t);
	at = (at - p_follow) / (1 - p_follow);
	if (at < P_BACK && t->recent_count >= 2)
		return t->recent[(t->recent_count - 2) % RECENT];
	return at < P_SAME_TYPE / (1 - P_FOLLOW) ? draw_for(s, t, s->world.item[t->item].type) : new_intent(s, t);
}

/* ---- sessions ---- */

static void look_at(struct session *t, uint32_t item)
{
	t->item = item;
	t->kind = HR_KIND_VIEW;
	t->recent[t->recent_count++ % RECENT] = item;
}

static uint32_t users_due(const struct hr_simulator *s)
{
	const double share = USERS_AT_START + (1 - USERS_AT_START) * (double)s->event / s->horizon;

	return share >= 1 ? s->config.users : (uint32_t)(share * s->config.users) + 1;
}

/* Somebody new while the world is filling up, else somebody who comes back. */
static uint32_t pick_user(struct hr_simulator *s)
{
	for (int tries = 0; tries < 64; tries++) {
		const bool new = s->people.here < users_due(s) && s->people.here < s->config.users;

		if (new && (s->people.here == 0 || sim_chance(&s->rng, .5))) {
			sim_people_add(&s->people, &s->world, s->config.seed);
			return s->people.here - 1;
		}
		const uint32_t user = sim_people_draw(&s->people, &s->rng);
		if (!s->people.user[user].busy)
			return user;
	}
	return sim_people_draw(&s->people, &s->rng); /* a second visit at once: two browser windows */
}

static void open_session(struct hr_simulator *s, struct session *t)
{
	*t = (struct session){.open = true, .user = pick_user(s), .number = s->session_number++};
	struct sim_user *u = &s->people.user[t->user];
	const bool resume = u->left_item != SIM_NO_ITEM && sim_chance(&s->rng, P_RESUME);

	u->busy = true;
	sim_people_drift(u, &s->world, &s->rng);
	look_at(t, resume ? u->left_item : new_intent(s, t));
}

static void close_session(struct hr_simulator *s, struct session *t)
{
	t->open = false;
	s->people.user[t->user].busy = false;
	s->people.user[t->user].left_item = t->kind == HR_KIND_PURCHASE ? SIM_NO_ITEM : t->item;
}

/* What the session does after the event that was just given: view -> cart -> purchase on one item, or another item. */
static void move_on(struct hr_simulator *s, struct session *t)
{
	if (t->kind == HR_KIND_VIEW && sim_chance(&s->rng, P_CART))
		t->kind = HR_KIND_CART;
	else if (t->kind == HR_KIND_CART && sim_chance(&s->rng, P_PURCHASE))
		t->kind = HR_KIND_PURCHASE;
	else if (sim_chance(&s->rng, P_END))
		close_session(s, t);
	else
		look_at(t, next_item(s, t));
}

/* ---- time ---- */

static void begin_hour(struct hr_simulator *s)
{
	struct burst *b = &s->burst;

	if (b->until_hour > s->hour || !sim_chance(&s->rng, P_BURST_HOUR))
		return;
	b->until_hour = s->hour + BURST_HOURS_MIN + hr_rng_below(&s->rng, BURST_HOURS_MAX - BURST_HOURS_MIN + 1);
	b->type = sim_world_draw_type(&s->world, &s->rng);
	b->item = sim_chance(&s->rng, .5) ? sim_world_draw_item(&s->world, b->type, &s->rng) : SIM_NO_ITEM;
}

static void let_items_arrive(struct hr_simulator *s)
{
	const double share = ITEMS_AT_START + (1 - ITEMS_AT_START) * (double)s->event / s->horizon;
	uint32_t due = share >= 1 ? s->config.items : (uint32_t)(share * s->config.items);

	due = due < s->world.types ? s->world.types : due;
	while (s->world.here < due) {
		s->arrived_ms[s->world.here] = s->now_ms;
		sim_world_arrive(&s->world);
	}
}

static void advance(struct hr_simulator *s)
{
	const double day_hours = fmod(s->now_ms / HOUR_MS, 24);
	const double rate = 1 + RHYTHM * cos((day_hours - 20) * (2 * 3.14159265358979323846 / 24));

	s->now_ms += s->gap_ms / rate * -log(1 - hr_rng_unit(&s->rng));
	const int64_t hour = (int64_t)(s->now_ms / HOUR_MS);
	let_items_arrive(s);
	if (hour != s->hour) {
		s->hour = hour;
		begin_hour(s);
	}
}

/* ---- the outside ---- */

static uint32_t sessions_open(const struct hr_simulator *s)
{
	const double wanted = STEP_GAP_MS / (s->gap_ms > 0 ? s->gap_ms : 1);
	const double bound = s->config.users / 4.0 < SESSIONS_MAX ? s->config.users / 4.0 : SESSIONS_MAX;
	const double count = wanted < bound ? wanted : bound;

	return count < SESSIONS_MIN ? SESSIONS_MIN : (uint32_t)count;
}

struct hr_simulator *hr_simulator_new(const struct hr_simulator_config *config)
{
	struct hr_simulator *s = hr_alloc(1, sizeof *s);

	HR_ASSERT(config->users >= 1 && config->items >= 1 && config->days_per_million >= 0);
	s->config = *config;
	s->now_ms = (double)config->start_ms;
	s->hour = (int64_t)(s->now_ms / HOUR_MS);
	s->gap_ms = config->days_per_million * 24 * HOUR_MS / 1e6;
	s->horizon = EVENTS_PER_USER * config->users;
	s->rng = hr_rng_stream(config->seed, PURPOSE_EVENTS, 0);
	s->session_count = sessions_open(s);
	s->arrived_ms = hr_alloc(config->items, sizeof *s->arrived_ms);
	sim_people_init(&s->people, config->users);
	sim_world_init(&s->world, config->seed, config->items);
	let_items_arrive(s);
	return s;
}

void hr_simulator_free(struct hr_simulator *s)
{
	if (s == NULL)
		return;
	sim_world_fini(&s->world);
	hr_free(s->arrived_ms);
	sim_people_fini(&s->people);
	hr_free(s);
}

/* A letter and a number of at least so many digits. */
static size_t put_id(char *out, char letter, uint64_t number, unsigned digits)
{
	char reversed[24];
	size_t n = 0;

	for (; number != 0 || n < digits; number /= 10)
		reversed[n++] = (char)('0' + number % 10);
	*out++ = letter;
	for (size_t i = n; i-- > 0;)
		*out++ = reversed[i];
	return n + 1;
}

void hr_simulator_next(struct hr_simulator *s, struct hr_event *ret_event)
{
	advance(s);
	struct session *t = &s->session[hr_rng_below(&s->rng, s->session_count)];
	if (!t->open)
		open_session(s, t);
	*ret_event = (struct hr_event){
	        .user = (const uint8_t *)s->user_id,
	        .item = (const uint8_t *)s->item_id,
	        .id = (const uint8_t *)s->event_id,
	        .session = (const uint8_t *)s->session_id,
	        .user_len = put_id(s->user_id, 'u', t->user, 6),
	        .item_len = put_id(s->item_id, 'i', t->item, 5),
	        .id_len = put_id(s->event_id, 'e', s->event, 9),
	        .session_len = put_id(s->session_id, 's', t->number, 6),
	        .time_ms = (int64_t)s->now_ms,
	        .weight = 1,
	        .kind = t->kind,
	};
	s->event++;
	move_on(s, t);
}

static uint32_t item_number(const uint8_t *item, size_t len)
{
	uint64_t number = 0;

	if (len < 6 || len > 11 || item[0] != 'i')
		return SIM_NO_ITEM;
	for (size_t i = 1; i < len; i++) {
		if (item[i] < '0' || item[i] > '9')
			return SIM_NO_ITEM;
		number = number * 10 + (uint64_t)(item[i] - '0');
	}
	return number < SIM_NO_ITEM ? (uint32_t)number : SIM_NO_ITEM;
}

const char *hr_simulator_title(const struct hr_simulator *s, const uint8_t *item, size_t item_len,
                               const char **ret_category)
{
	const uint32_t number = item_number(item, item_len);

	if (number >= s->config.items)
		return NULL;
	if (ret_category != NULL)
		*ret_category = sim_world_category(&s->world, number);
	return sim_world_title(&s->world, number);
}

uint32_t hr_simulator_arrived(const struct hr_simulator *s) { return s->world.here; }

size_t hr_simulator_item_id(uint32_t number, char id[HR_SIMULATOR_ID_MAX]) { return put_id(id, 'i', number, 5); }
