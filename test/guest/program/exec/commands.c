#include "commands.h"

#define MI_BATCH_BUFFER_END (0x0au << 23)
#define MI_FLUSH_DW (0x26u << 23)
#define MI_STORE_DATA_IMM (0x20u << 23)
#define STORE_QWORD (1u << 21)

#define BLITTER (2u << 29)
#define XY_COLOR_BLT (BLITTER | 0x50u << 22)
#define XY_SRC_COPY_BLT (BLITTER | 0x53u << 22)
#define XY_FAST_COPY_BLT (BLITTER | 0x42u << 22)
#define WRITE_ALPHA_AND_RGB (3u << 20)
#define DEPTH_32 (3u << 24)
#define ROP_PATTERN (0xf0u << 16)
#define ROP_SOURCE (0xccu << 16)

/* Haswell: addresses of 32 bits. */
static bool is_short;

void use_short_addresses(bool yes)
{
	is_short = yes;
}

static void emit(struct batch *batch, uint32_t dword)
{
	batch->dwords[batch->count++] = dword;
}

static void emit_address(struct batch *batch, uint64_t address)
{
	emit(batch, (uint32_t)address);
	if (!is_short)
		emit(batch, (uint32_t)(address >> 32));
}

/* A store's address: on Haswell it comes behind a dword that must be zero. */
static void emit_store_address(struct batch *batch, uint64_t address)
{
	if (is_short)
		emit(batch, 0);
	emit_address(batch, address);
}

/* Length field of a command with so many addresses, all of 64 bits. */
static uint32_t length(uint32_t dwords, uint32_t addresses)
{
	return dwords - 2 - (is_short ? addresses : 0);
}

void store_dword(struct batch *batch, struct surface *shadow, uint32_t index, uint32_t value)
{
	emit(batch, MI_STORE_DATA_IMM | 2);
	emit_store_address(batch, shadow->address + 4ull * index);
	emit(batch, value);
	shadow->pixels[index] = value;
}

void store_qword(struct batch *batch, struct surface *shadow, uint32_t index, uint32_t low, uint32_t high)
{
	emit(batch, MI_STORE_DATA_IMM | STORE_QWORD | 3);
	emit_store_address(batch, shadow->address + 4ull * index);
	emit(batch, low);
	emit(batch, high);
	shadow->pixels[index] = low;
	shadow->pixels[index + 1] = high;
}

/* The blitter may overlap fast copies with other blits; a flush keeps them in order. */
static void emit_flush(struct batch *batch)
{
	emit(batch, MI_FLUSH_DW | length(4, 1));
	emit_address(batch, 0);
	emit(batch, 0);
}

static void emit_corners(struct batch *batch, struct rectangle area)
{
	emit(batch, area.y << 16 | area.x);
	emit(batch, (area.y + area.height) << 16 | (area.x + area.width));
}

void fill(struct batch *batch, struct surface *shadow, struct rectangle area, uint32_t colour)
{
	emit(batch, XY_COLOR_BLT | WRITE_ALPHA_AND_RGB | length(7, 1));
	emit(batch, DEPTH_32 | ROP_PATTERN | shadow->pitch * 4);
	emit_corners(batch, area);
	emit_address(batch, shadow->address);
	emit(batch, colour);
	emit_flush(batch);
	for (uint32_t y = area.y; y < area.y + area.height; y++)
		for (uint32_t x = area.x; x < area.x + area.width; x++)
			shadow->pixels[y * shadow->pitch + x] = colour;
}

static void emit_copy(struct batch *batch, uint32_t header, uint32_t rop, struct surface *shadow,
		      const struct surface *source, struct rectangle area, uint32_t from_x, uint32_t from_y)
{
	emit(batch, header | length(10, 2));
	emit(batch, DEPTH_32 | rop | shadow->pitch * 4);
	emit_corners(batch, area);
	emit_address(batch, shadow->address);
	emit(batch, from_y << 16 | from_x);
	emit(batch, source->pitch * 4);
	emit_address(batch, source->address);
	emit_flush(batch);
	for (uint32_t y = 0; y < area.height; y++)
		for (uint32_t x = 0; x < area.width; x++)
			shadow->pixels[(area.y + y) * shadow->pitch + area.x + x] =
				source->pixels[(from_y + y) * source->pitch + from_x + x];
}

void copy(struct batch *batch, struct surface *shadow, const struct surface *source, struct rectangle area,
	  uint32_t from_x, uint32_t from_y)
{
	emit_copy(batch, XY_SRC_COPY_BLT | WRITE_ALPHA_AND_RGB, ROP_SOURCE, shadow, source, area, from_x, from_y);
}

void fast_copy(struct batch *batch, struct surface *shadow, const struct surface *source, struct rectangle area,
	       uint32_t from_x, uint32_t from_y)
{
	emit_copy(batch, XY_FAST_COPY_BLT, 0, shadow, source, area, from_x, from_y);
}

uint32_t end_batch(struct batch *batch)
{
	emit(batch, MI_BATCH_BUFFER_END);
	if (batch->count & 1)
		emit(batch, 0);
	return batch->count * 4;
}
