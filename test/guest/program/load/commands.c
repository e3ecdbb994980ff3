#include "commands.h"

#define MI_NOOP 0u
#define MI_BATCH_BUFFER_END (0x0au << 23)
#define MI_SEMAPHORE_WAIT (0x1cu << 23 | 2)
#define SEMAPHORE_POLLS (1u << 15)
#define SEMAPHORE_EQUAL (4u << 12)
#define MI_BATCH_BUFFER_START (0x31u << 23 | 1)
#define BATCH_IN_PROCESS_SPACE (1u << 8)
#define PIPE_CONTROL (0x7a000000u | 4)
#define STALL (1u << 20)
#define POST_SYNC_TIMESTAMP (3u << 14)
#define STORE_REGISTER (0x24u << 23 | 2)
/* Of the render engine: how long the context has run. Source: PRM SKL volume 2c "CTX_TIMESTAMP". */
#define CONTEXT_TIMESTAMP 0x23a8u
#define PRIMITIVE (0x7b000000u | 5)
#define TRIANGLES 4u

/* What the model takes for a draw, ns. */
#define DRAW_NS 8000u
#define VERTEX_NS 2u
/* One draw; several of them make a frame, so that it shows progress. */
#define LONGEST_DRAW_US 250u
#define DRAW_DWORDS 7u
/* What ends a frame: its two stamps and the end of the batch. */
#define END_DWORDS (4u + 6u + 2u)

static uint32_t *write_stamp(uint32_t *at, uint64_t address)
{
	*at++ = PIPE_CONTROL;
	*at++ = STALL | POST_SYNC_TIMESTAMP;
	*at++ = (uint32_t)address;
	*at++ = (uint32_t)(address >> 32);
	*at++ = 0;
	*at++ = 0;
	return at;
}

static uint32_t *write_context_stamp(uint32_t *at, uint64_t address)
{
	*at++ = STORE_REGISTER;
	*at++ = CONTEXT_TIMESTAMP;
	*at++ = (uint32_t)address;
	*at++ = (uint32_t)(address >> 32);
	return at;
}

static uint32_t *write_draw(uint32_t *at, uint32_t us)
{
	uint32_t ns = us * 1000;

	*at++ = PRIMITIVE;
	*at++ = TRIANGLES;
	*at++ = ns > DRAW_NS ? (ns - DRAW_NS) / VERTEX_NS : 0;
	*at++ = 0;
	*at++ = 1;
	*at++ = 0;
	*at++ = 0;
	return at;
}

static uint32_t end(uint32_t *dwords, uint32_t *at)
{
	*at++ = MI_BATCH_BUFFER_END;
	if ((at - dwords) % 2 != 0)
		*at++ = MI_NOOP;
	return (uint32_t)(at - dwords) * 4;
}

uint32_t write_frame(uint32_t *dwords, uint32_t room, uint32_t us, uint64_t stamps)
{
	uint32_t *at = write_context_stamp(dwords, stamps);

	while (us > 0 && (uint32_t)(at - dwords) + DRAW_DWORDS + END_DWORDS <= room) {
		uint32_t part = us < LONGEST_DRAW_US ? us : LONGEST_DRAW_US;

		at = write_draw(at, part);
		us -= part;
	}
	at = write_context_stamp(at, stamps + 4);
	return end(dwords, write_stamp(at, stamps + 8));
}

uint32_t write_endless_loop(uint32_t *dwords, uint64_t address)
{
	uint32_t *at = dwords;

	*at++ = MI_BATCH_BUFFER_START | BATCH_IN_PROCESS_SPACE;
	*at++ = (uint32_t)address;
	*at++ = (uint32_t)(address >> 32);
	return end(dwords, at);
}

uint32_t write_endless_wait(uint32_t *dwords, uint64_t address)
{
	uint32_t *at = dwords;

	*at++ = MI_SEMAPHORE_WAIT | SEMAPHORE_POLLS | SEMAPHORE_EQUAL;
	*at++ = 0x600df00d;
	*at++ = (uint32_t)address;
	*at++ = (uint32_t)(address >> 32);
	return end(dwords, at);
}
