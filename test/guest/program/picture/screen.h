/* The first monitor that is plugged in, and frame buffers to show on it, by the kernel's mode setting interface. */
#ifndef XENGT_PICTURE_SCREEN_H
#define XENGT_PICTURE_SCREEN_H

#include <stdint.h>
#include <drm.h>
#include <drm_mode.h>

#define CURSOR_SIZE 64

/* Bits of each channel, and where red and green begin; blue begins at 0. */
struct format {
	const char *name;
	uint32_t fourcc;
	unsigned bpp, red, red_at, green, green_at, blue;
};

struct buffer {
	uint32_t handle, framebuffer, width, height, pitch;
	uint32_t *pixels;
};

struct screen {
	int fd;
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
};

/* Says what went wrong and ends the program. */
void fail(const char *what);

/* NULL if there is none of that name. */
const struct format *format_of(const char *name);

void screen_open(struct screen *screen);

/* Made by the driver, and mapped. */
void screen_buffer(const struct screen *screen, uint32_t width, uint32_t height, const struct format *format,
		   struct buffer *buffer);

void screen_show(const struct screen *screen, const struct buffer *buffer);

/* Returns when the buffer is shown. */
void screen_flip(const struct screen *screen, const struct buffer *buffer);

void screen_cursor(const struct screen *screen, const struct buffer *buffer, int x, int y);

#endif
