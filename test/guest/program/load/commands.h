/*
 * Batches whose length in engine time is known, Gen8 and Gen9 encodings (Intel PRM, Skylake, volume 2a "Command Reference:
 * Instructions"). Draws are what keeps the engine busy: the model GPU draws nothing and takes the time that its cost model
 * (src/gpu/model/cost.ts) declares. There is no pipeline state behind them, so real hardware could not run these batches.
 */
#ifndef XENGT_LOAD_COMMANDS_H
#define XENGT_LOAD_COMMANDS_H

#include <stdint.h>

/*
 * Keeps the engine for `us`. At `stamps` it stores what the context had run for by the engine's clock when the frame began and
 * when it ended (a dword each), and the engine's time of its end (a qword). Gives the length in bytes.
 */
uint32_t write_frame(uint32_t *dwords, uint32_t room, uint32_t us, uint64_t stamps);
/* Never ends: jumps to its own beginning, which is at `address`. */
uint32_t write_endless_loop(uint32_t *dwords, uint64_t address);
/* Never ends: waits until the dword at `address` has a value that nobody writes. */
uint32_t write_endless_wait(uint32_t *dwords, uint64_t address);

#endif
