/* The i915 device as this program uses it: buffers mapped for the CPU, contexts, submission, waiting. */
#ifndef XENGT_DEVICE_H
#define XENGT_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct buffer {
	uint32_t handle;
	uint64_t size;
	uint64_t address; /* in the context's graphics address space, chosen by us */
	uint32_t *cpu;    /* write-back mapping */
};

/* Opens the i915 node; exits with a message if there is none. */
int device_open(void);
int device_param(int fd, int param, int fallback);

/* Size of a context's address space: 2^48 with full 4-level tables. */
uint64_t context_space(int fd, uint32_t context);
uint32_t context_create(int fd);
void context_destroy(int fd, uint32_t context);

struct buffer buffer_create(int fd, uint64_t size, uint64_t address);
/* Makes the CPU's view current before the CPU reads or writes. */
void buffer_to_cpu(int fd, const struct buffer *buffer, bool write);
/* False if the buffer is still in use after the time limit. */
bool buffer_wait(int fd, const struct buffer *buffer, int64_t limit_ns);

/*
 * Has the driver place up to 16 buffers, of which the last is a batch of one end command: where processes share the driver's own
 * address space (Haswell), a program can not choose. Zero, or a negative errno.
 */
int place(int fd, uint32_t context, struct buffer *const buffers[], unsigned count);

/* Submits `batch` (its first `bytes`) which reads `source` and writes `target`. Zero, or a negative errno. */
int submit(int fd, uint32_t context, unsigned engine_flags, const struct buffer *target, const struct buffer *source,
	   const struct buffer *batch, uint32_t bytes);

#endif
