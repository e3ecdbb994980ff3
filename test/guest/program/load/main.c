/*
 * xengt-load frames FRAME_US SECONDS [QUEUED]
 *     keeps the render engine busy: frames of so long in engine time, QUEUED of them waiting (default 8). Two contexts have two
 *     frames each in turn: the driver gives an engine two contexts at a time, so that four frames are there to be run whatever
 *     the processor is kept from, and no context keeps the engine for longer than two. Frame times are the time between the
 *     ends of frames that follow each other, by the engine's own timestamp, which each frame stores; so they do not depend on
 *     how fast this machine's processor is. What a frame took is what its context ran for, by the engine's clock as well.
 * xengt-load hang EVERY_MS SECONDS loop|wait
 *     has the render engine run what never ends, again and again: as soon as the driver has got rid of it and EVERY_MS have
 *     passed since the last one began. Every time as a new client, for drivers ban clients that hang.
 *
 * Prints a line with what came of the frames, or one a hang; exits 0, or 2 if the device refuses.
 */
#include <drm.h>
#include <i915_drm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "../exec/device.h"

#define MOST_QUEUED 16u
#define DEFAULT_QUEUED 8u
#define FRAMES_IN_TURN 2
#define PAGE 4096u
#define BATCH_BYTES (16 * PAGE)
#define BASE 0x10000000ull
#define SLOT_BYTES 0x100000ull
#define BATCH_AT 0x20000ull
#define SOURCE_AT 0x80000ull
/* Frames that are waited for end, however many others use the engine; a guest that others starve is told by their times. */
#define WAIT_LIMIT_NS (60ll * 1000 * 1000 * 1000)
#define WARM_UP_FRAMES 20u
/* The counter has 36 bits. Source: PRM SKL volume 2c "TIMESTAMP". */
#define TIMESTAMP_MASK ((1ull << 36) - 1)
#define DEFAULT_TIMESTAMP_HZ 12000000

struct slot {
	struct buffer stamps, source, batch;
	bool busy;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void pause_until(double moment)
{
	double left = moment - now();

	if (left > 0)
		usleep((useconds_t)(left * 1e6));
}

static int by_size(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

static uint32_t percentile(const uint32_t *sorted, unsigned long count, unsigned percent)
{
	return count == 0 ? 0 : sorted[(count - 1) * percent / 100];
}

struct record {
	uint32_t *us; /* between the ends of frames that follow each other */
	unsigned long count, room, frames;
	double gpu_us;
	uint64_t last;
};

static void note(struct record *record, const struct slot *slot, double us_per_tick)
{
	const volatile uint32_t *stamps = slot->stamps.cpu;
	uint64_t ended = ((uint64_t)stamps[3] << 32 | stamps[2]) & TIMESTAMP_MASK;

	record->gpu_us += (uint32_t)(stamps[1] - stamps[0]) * us_per_tick;
	/* The first ones are the driver's and everybody's start. */
	if (record->frames++ >= WARM_UP_FRAMES && record->count < record->room)
		record->us[record->count++] = (uint32_t)((double)((ended - record->last) & TIMESTAMP_MASK) * us_per_tick);
	record->last = ended;
}

/* Waits for what a slot submitted last, and notes it. */
static bool finish(int fd, struct slot *slot, struct record *record, double us_per_tick)
{
	if (!slot->busy)
		return true;
	if (!buffer_wait(fd, &slot->stamps, WAIT_LIMIT_NS)) {
		printf("XENGT-LOAD-ERROR a frame has not ended\n");
		return false;
	}
	note(record, slot, us_per_tick);
	slot->busy = false;
	return true;
}

static int frames(uint32_t frame_us, unsigned seconds, unsigned queued)
{
	int fd = device_open();
	double us_per_tick = 1e6 / device_param(fd, I915_PARAM_CS_TIMESTAMP_FREQUENCY, DEFAULT_TIMESTAMP_HZ);
	uint32_t contexts[2] = { context_create(fd), context_create(fd) };
	struct slot slots[MOST_QUEUED];
	struct record record = { .room = (unsigned long)seconds * 1000000 / frame_us + 1000 };
	unsigned long n = 0;
	uint32_t bytes = 0;
	double began, end;

	record.us = calloc(record.room, sizeof(*record.us));
	if (!record.us) {
		printf("XENGT-LOAD-ERROR out of memory\n");
		return 2;
	}
	for (unsigned i = 0; i < queued; i++) {
		uint64_t base = BASE + i * SLOT_BYTES;

		slots[i].stamps = buffer_create(fd, PAGE, base);
		slots[i].source = buffer_create(fd, PAGE, base + SOURCE_AT);
		slots[i].batch = buffer_create(fd, BATCH_BYTES, base + BATCH_AT);
		slots[i].busy = false;
		buffer_to_cpu(fd, &slots[i].batch, true);
		bytes = write_frame(slots[i].batch.cpu, BATCH_BYTES / 4, frame_us, base);
	}
	began = now();
	end = began + seconds;
	for (; now() < end; n++) {
		struct slot *slot = &slots[n % queued];
		int result;

		if (!finish(fd, slot, &record, us_per_tick))
			return 2;
		result = submit(fd, contexts[n / FRAMES_IN_TURN % 2], I915_EXEC_RENDER, &slot->stamps, &slot->source, &slot->batch, bytes);
		if (result < 0) {
			printf("XENGT-LOAD-ERROR submit: %s\n", strerror(-result));
			return 2;
		}
		slot->busy = true;
	}
	for (unsigned i = 0; i < queued; i++)
		if (!finish(fd, &slots[(n + i) % queued], &record, us_per_tick))
			return 2;
	qsort(record.us, record.count, sizeof(*record.us), by_size);
	printf("XENGT-LOAD frames=%lu seconds=%.3f gpu_us=%.0f p50_us=%u p90_us=%u p99_us=%u longest_us=%u\n", record.frames,
	       now() - began, record.gpu_us, percentile(record.us, record.count, 50),
	       percentile(record.us, record.count, 90), percentile(record.us, record.count, 99),
	       percentile(record.us, record.count, 100));
	return 0;
}

/* Submits one endless batch and waits until the driver has got rid of it. False if the driver takes no work any more. */
static bool hang_once(bool loop, double *waited)
{
	int fd = device_open();
	uint32_t context = context_create(fd);
	struct buffer target = buffer_create(fd, PAGE, BASE);
	struct buffer source = buffer_create(fd, PAGE, BASE + SOURCE_AT);
	struct buffer batch = buffer_create(fd, BATCH_BYTES, BASE + BATCH_AT);
	uint32_t bytes;
	double began = now();
	bool over = false;
	int result;

	buffer_to_cpu(fd, &batch, true);
	bytes = loop ? write_endless_loop(batch.cpu, batch.address) : write_endless_wait(batch.cpu, target.address);
	result = submit(fd, context, I915_EXEC_RENDER, &target, &source, &batch, bytes);
	if (result < 0)
		printf("XENGT-LOAD-ERROR submit: %s\n", strerror(-result));
	else
		over = buffer_wait(fd, &target, WAIT_LIMIT_NS);
	*waited = now() - began;
	/* With its last descriptor all of the client goes. */
	close(fd);
	return result == 0 && over;
}

static int hang(unsigned every_ms, unsigned seconds, bool loop)
{
	double began = now();

	while (now() - began < seconds) {
		double waited, started = now();

		if (!hang_once(loop, &waited))
			break;
		printf("XENGT-HANG ms=%.0f\n", waited * 1e3);
		pause_until(started + every_ms / 1e3);
	}
	return 0;
}

static int usage(void)
{
	printf("usage: xengt-load frames FRAME_US SECONDS [QUEUED] | xengt-load hang EVERY_MS SECONDS loop|wait\n");
	return 2;
}

int main(int argc, char **argv)
{
	unsigned first = argc > 3 ? strtoul(argv[2], NULL, 10) : 0, seconds = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	unsigned queued = argc > 4 ? strtoul(argv[4], NULL, 10) : DEFAULT_QUEUED;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (first == 0 || seconds == 0)
		return usage();
	if (strcmp(argv[1], "frames") == 0 && queued >= 1 && queued <= MOST_QUEUED)
		return frames(first, seconds, queued);
	if (strcmp(argv[1], "hang") == 0 && argc == 5)
		return hang(first, seconds, strcmp(argv[4], "loop") == 0);
	return usage();
}
