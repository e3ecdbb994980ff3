/*
 * The commands this program writes into its batches, Haswell, Gen8 and Gen9 encodings (Intel PRM, Skylake, volume 2a "Command
 * Reference: Instructions"). Each appends to a batch and does the same to `shadow`, the expected content of the target.
 */
#ifndef XENGT_COMMANDS_H
#define XENGT_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

struct batch {
	uint32_t *dwords;
	uint32_t count;
};

/* A 32-bit-per-pixel linear surface in graphics memory, and what is expected or known to be in it. */
struct surface {
	uint64_t address;
	uint32_t *pixels;
	uint32_t pitch; /* in pixels */
};

struct rectangle {
	uint32_t x, y, width, height;
};

/* Haswell's commands have addresses of 32 bits; later ones 64. */
void use_short_addresses(bool yes);
void store_dword(struct batch *batch, struct surface *shadow, uint32_t index, uint32_t value);
/* `index` of the first dword, even. */
void store_qword(struct batch *batch, struct surface *shadow, uint32_t index, uint32_t low, uint32_t high);
void fill(struct batch *batch, struct surface *shadow, struct rectangle area, uint32_t colour);
void copy(struct batch *batch, struct surface *shadow, const struct surface *source, struct rectangle area,
	  uint32_t from_x, uint32_t from_y);
/* Gen9 and later only. */
void fast_copy(struct batch *batch, struct surface *shadow, const struct surface *source, struct rectangle area,
	       uint32_t from_x, uint32_t from_y);
/* Ends the batch; gives its length in bytes, a multiple of 8. */
uint32_t end_batch(struct batch *batch);

#endif
