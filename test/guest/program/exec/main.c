/*
 * xengt-exec N: N submissions, round robin over the engines that the device has, each checked on the CPU.
 *
 * Every engine is a lane with its own context and several submissions in flight. Each submission changes a part of its
 * target by MI_STORE_DATA_IMM or, on the blitter, by fills and copies; the whole target is then compared with what is
 * expected, so a missing, misplaced or surplus write counts as bad. Contexts are replaced now and then.
 *
 * Prints one line per engine, then a total; exits 0 if all were right, 1 on a wrong result, 2 if the device refuses.
 */
#include <drm.h>
#include <i915_drm.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "device.h"

#define SLOTS 4
#define PITCH 128u /* pixels */
#define ROWS 128u
#define TARGET_BYTES (PITCH * ROWS * 4)
#define TARGET_DWORDS (TARGET_BYTES / 4)
#define BATCH_BYTES (32u * 1024)
#define WAIT_LIMIT_NS (30ll * 1000 * 1000 * 1000)
#define CONTEXT_LIFE 40       /* submissions of a lane before it takes a new context */
#define LONG_EVERY 16         /* every so many submissions of a lane, one is long */
#define LONG_STORES 1500
#define REPORTED_DIFFERENCES 3

struct slot {
	struct buffer target, source, batch;
	uint32_t *expected;
	bool busy;
};

struct lane {
	const char *name;
	unsigned flags;
	bool blitter;
	uint32_t context;
	struct slot slots[SLOTS];
	unsigned long submits, ok, bad;
};

static int fd;
static bool has_fast_copy;
static bool is_haswell;
static uint32_t random_state = 0x12345678;

/* xorshift32: unique enough for values, and the same in every run. */
static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static uint32_t below(uint32_t limit)
{
	return next_random() % limit;
}

static void prepare_slot(struct slot *slot, uint64_t address)
{
	slot->target = buffer_create(fd, TARGET_BYTES, address);
	slot->source = buffer_create(fd, TARGET_BYTES, address + 0x40000);
	slot->batch = buffer_create(fd, BATCH_BYTES, address + 0x80000);
	slot->expected = malloc(TARGET_BYTES);
	if (!slot->expected) {
		printf("XENGT-EXEC-ERROR out of memory\n");
		exit(2);
	}
	buffer_to_cpu(fd, &slot->target, true);
	buffer_to_cpu(fd, &slot->source, true);
	for (uint32_t i = 0; i < TARGET_DWORDS; i++) {
		slot->target.cpu[i] = slot->expected[i] = next_random();
		slot->source.cpu[i] = next_random();
	}
}

static void place_slot(struct lane *lane, struct slot *slot)
{
	struct buffer *const buffers[] = { &slot->target, &slot->source, &slot->batch };
	struct batch batch = { .dwords = slot->batch.cpu };
	int result;

	buffer_to_cpu(fd, &slot->batch, true);
	end_batch(&batch);
	result = place(fd, lane->context, buffers, 3);
	if (result == 0)
		return;
	printf("XENGT-EXEC-ERROR place buffers: %d\n", result);
	exit(2);
}

static void prepare_lane(struct lane *lane, unsigned index)
{
	uint64_t base;

	lane->context = context_create(fd);
	/* With 4-level tables each lane lives under a top-level entry of its own, so that all levels are walked. */
	if (context_space(fd, lane->context) > 1ull << 44)
		base = (uint64_t)(index + 1) << 39 | 0x40000000ull * index;
	else
		base = 0x10000000ull * (index + 1);
	for (unsigned s = 0; s < SLOTS; s++) {
		struct slot *slot = &lane->slots[s];

		prepare_slot(slot, base + 0x100000ull * s);
		if (is_haswell)
			place_slot(lane, slot);
	}
}

/* Waits for a slot's submission and compares the target. */
static void finish(struct lane *lane, struct slot *slot)
{
	unsigned differences = 0;

	if (!slot->busy)
		return;
	slot->busy = false;
	if (!buffer_wait(fd, &slot->target, WAIT_LIMIT_NS)) {
		printf("XENGT-EXEC-ERROR engine=%s no completion within the time limit\n", lane->name);
		lane->bad++;
		return;
	}
	buffer_to_cpu(fd, &slot->target, false);
	if (memcmp(slot->target.cpu, slot->expected, TARGET_BYTES) == 0) {
		lane->ok++;
		return;
	}
	lane->bad++;
	for (uint32_t i = 0; i < TARGET_DWORDS && differences < REPORTED_DIFFERENCES; i++) {
		if (slot->target.cpu[i] == slot->expected[i])
			continue;
		printf("XENGT-EXEC-ERROR engine=%s dword=%u address=0x%" PRIx64 " got=0x%08x want=0x%08x\n", lane->name, i,
		       slot->target.address + 4 * (uint64_t)i, slot->target.cpu[i], slot->expected[i]);
		differences++;
	}
	/* What is there now is the base of the next comparison: one mistake is counted once. */
	memcpy(slot->expected, slot->target.cpu, TARGET_BYTES);
}

static struct rectangle random_rectangle(void)
{
	struct rectangle area = { .x = below(PITCH - 1), .y = below(ROWS - 1) };

	area.width = 1 + below(PITCH - area.x);
	area.height = 1 + below(ROWS - area.y);
	return area;
}

static void write_blits(struct batch *batch, struct surface *shadow, const struct surface *source, unsigned count)
{
	while (count--) {
		struct rectangle area = random_rectangle();
		uint32_t from_x = below(PITCH - area.width + 1), from_y = below(ROWS - area.height + 1);

		switch (below(has_fast_copy ? 3 : 2)) {
		case 0:
			fill(batch, shadow, area, next_random());
			break;
		case 1:
			copy(batch, shadow, source, area, from_x, from_y);
			break;
		default:
			fast_copy(batch, shadow, source, area, from_x, from_y);
			break;
		}
	}
}

static void write_stores(struct batch *batch, struct surface *shadow, unsigned count)
{
	while (count--) {
		if (below(4) == 0)
			store_qword(batch, shadow, below(TARGET_DWORDS / 2) * 2, next_random(), next_random());
		else
			store_dword(batch, shadow, below(TARGET_DWORDS), next_random());
	}
}

static void start(struct lane *lane, struct slot *slot)
{
	bool is_long = lane->submits % LONG_EVERY == LONG_EVERY - 1;
	struct batch batch = { .dwords = slot->batch.cpu };
	struct surface shadow = { slot->target.address, slot->expected, PITCH };
	struct surface source = { slot->source.address, slot->source.cpu, PITCH };
	uint32_t bytes;
	int result;

	buffer_to_cpu(fd, &slot->batch, true);
	write_stores(&batch, &shadow, is_long ? LONG_STORES : 4);
	if (lane->blitter)
		write_blits(&batch, &shadow, &source, is_long ? 24 : 2);
	bytes = end_batch(&batch);
	lane->submits++;
	result = submit(fd, lane->context, lane->flags, &slot->target, &slot->source, &slot->batch, bytes);
	if (result < 0) {
		printf("XENGT-EXEC-ERROR engine=%s submit: %s\n", lane->name, strerror(-result));
		lane->bad++;
		buffer_to_cpu(fd, &slot->target, false);
		memcpy(slot->expected, slot->target.cpu, TARGET_BYTES);
		return;
	}
	slot->busy = true;
}

/* The old context's submissions may still be running when it goes: the driver keeps it until they end. */
static void renew_context(struct lane *lane)
{
	uint32_t old = lane->context;

	lane->context = context_create(fd);
	context_destroy(fd, old);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct lane lanes[] = {
		{ .name = "RCS", .flags = I915_EXEC_RENDER },
		{ .name = "BCS", .flags = I915_EXEC_BLT, .blitter = true },
		{ .name = "VCS", .flags = I915_EXEC_BSD },
		{ .name = "VECS", .flags = I915_EXEC_VEBOX },
	};
	const int present_by[] = { 0, I915_PARAM_HAS_BLT, I915_PARAM_HAS_BSD, I915_PARAM_HAS_VEBOX };
	struct lane *used[4];
	unsigned count = 0;
	unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long submits = 0, ok = 0, bad = 0;
	double began;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (wanted == 0) {
		printf("usage: xengt-exec SUBMISSIONS\n");
		return 2;
	}
	fd = device_open();
	/* Haswell (0x04xx) and Broadwell (0x16xx) have no XY_FAST_COPY_BLT yet. */
	is_haswell = (device_param(fd, I915_PARAM_CHIPSET_ID, 0) & 0xff00) == 0x0400;
	has_fast_copy = !is_haswell && (device_param(fd, I915_PARAM_CHIPSET_ID, 0) & 0xff00) != 0x1600;
	use_short_addresses(is_haswell);
	if (!device_param(fd, I915_PARAM_HAS_EXEC_SOFTPIN, 0)) {
		printf("XENGT-EXEC-ERROR the driver cannot place buffers at given addresses\n");
		return 2;
	}
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && !device_param(fd, present_by[i], 0))
			continue;
		prepare_lane(&lanes[i], i);
		used[count++] = &lanes[i];
	}

	began = now();
	for (unsigned long i = 0; i < wanted; i++) {
		struct lane *lane = used[i % count];
		struct slot *slot = &lane->slots[lane->submits % SLOTS];

		finish(lane, slot);
		if (lane->submits % CONTEXT_LIFE == CONTEXT_LIFE - 1)
			renew_context(lane);
		start(lane, slot);
		/* A device that answers nothing is not worth a time limit for each submission. */
		if (lane->bad > 8)
			break;
	}
	for (unsigned l = 0; l < count; l++) {
		for (unsigned s = 0; s < SLOTS; s++)
			finish(used[l], &used[l]->slots[s]);
		context_destroy(fd, used[l]->context);
		printf("XENGT-EXEC engine=%s submits=%lu ok=%lu bad=%lu\n", used[l]->name, used[l]->submits, used[l]->ok,
		       used[l]->bad);
		submits += used[l]->submits;
		ok += used[l]->ok;
		bad += used[l]->bad;
	}
	printf("XENGT-EXEC-TOTAL engines=%u submits=%lu ok=%lu bad=%lu ms=%.0f\n", count, submits, ok, bad,
	       (now() - began) * 1000);
	return bad == 0 && ok == wanted ? 0 : 1;
}
