/*
 * xengt-picture FORMAT SEED FILE: takes the display, paints a picture of its own in the first mode of the first monitor that is
 * plugged in, lays a cursor over it, and shows it. What it shows, as it stands in its own memory, is written to FILE.0 (rows
 * without their padding) and FILE.0.cursor (64x64, ARGB), and said in a line
 *
 *   XENGT-PICTURE file=FILE.0 format=XR24 width=W height=H cursor=X,Y
 *
 * The program stays in the background, as what is shown ends with it. A line written to /tmp/picture makes it paint the next
 * picture on another frame buffer, flip to it, and move the cursor; /tmp/picture.shown answers with that picture's line.
 */
#include "screen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASKED "/tmp/picture"
#define SHOWN "/tmp/picture.shown"
#define PICTURES 2

/* Partly off the screen in the second picture. */
static const int cursor_at[PICTURES][2] = { { 100, 50 }, { -16, -24 } };

static uint32_t mixed(unsigned red, unsigned green, unsigned blue, const struct format *format)
{
	return (red & 0xff) >> (8 - format->red) << format->red_at |
	       (green & 0xff) >> (8 - format->green) << format->green_at | (blue & 0xff) >> (8 - format->blue);
}

/* Each pixel says where it is, the edge is a line, and no two seeds look alike. */
static void paint(const struct buffer *buffer, const struct format *format, unsigned seed)
{
	unsigned bytes = format->bpp / 8;

	for (unsigned y = 0; y < buffer->height; y++) {
		unsigned char *row = (unsigned char *)buffer->pixels + (size_t)y * buffer->pitch;

		for (unsigned x = 0; x < buffer->width; x++) {
			int edge = x == 0 || y == 0 || x == buffer->width - 1 || y == buffer->height - 1;
			uint32_t pixel = edge ? mixed(255, 255, 255, format) :
						mixed(x + seed * 37, y + seed * 91, (x ^ y) + x * y / 64 + seed, format);

			memcpy(row + x * bytes, &pixel, bytes);
		}
	}
}

/* A disc: outside of it nothing is covered. */
static void paint_cursor(const struct buffer *buffer, unsigned seed)
{
	for (int y = 0; y < CURSOR_SIZE; y++) {
		uint32_t *row = buffer->pixels + y * buffer->pitch / 4;

		for (int x = 0; x < CURSOR_SIZE; x++) {
			int dx = x - CURSOR_SIZE / 2, dy = y - CURSOR_SIZE / 2;
			int inside = dx * dx + dy * dy < CURSOR_SIZE * CURSOR_SIZE / 4;

			row[x] = inside ? 0xff000000u | (uint32_t)(x * 4) << 16 | (uint32_t)(y * 4) << 8 | (seed & 0xff) : 0;
		}
	}
}

static void keep(const struct buffer *buffer, unsigned bpp, const char *file)
{
	FILE *out = fopen(file, "wb");
	size_t row = (size_t)buffer->width * bpp / 8;

	if (out == NULL)
		fail(file);
	for (unsigned y = 0; y < buffer->height; y++)
		if (fwrite((unsigned char *)buffer->pixels + (size_t)y * buffer->pitch, 1, row, out) != row)
			fail(file);
	if (fclose(out) != 0)
		fail(file);
}

struct show {
	struct screen screen;
	const struct format *format;
	struct buffer picture[PICTURES];
	struct buffer cursor;
	const char *name;
	unsigned seed;
};

/* Paints, shows and keeps picture `number`, and says so. */
static void show(const struct show *show, int number, FILE *out)
{
	const struct buffer *picture = &show->picture[number];
	char file[256], cursor[300];

	paint(picture, show->format, show->seed + number);
	paint_cursor(&show->cursor, show->seed + number);
	if (number == 0)
		screen_show(&show->screen, picture);
	else
		screen_flip(&show->screen, picture);
	screen_cursor(&show->screen, &show->cursor, cursor_at[number][0], cursor_at[number][1]);
	snprintf(file, sizeof(file), "%s.%d", show->name, number);
	snprintf(cursor, sizeof(cursor), "%s.cursor", file);
	keep(picture, show->format->bpp, file);
	keep(&show->cursor, 32, cursor);
	fprintf(out, "XENGT-PICTURE file=%s format=%s width=%u height=%u cursor=%d,%d\n", file, show->format->name,
		picture->width, picture->height, cursor_at[number][0], cursor_at[number][1]);
	fflush(out);
}

/* The next picture, when somebody asks for it; then it stays as it is. */
static void stay(const struct show *state)
{
	char line[16];
	int asked = open(ASKED, O_RDONLY);
	FILE *out;

	if (asked < 0 || read(asked, line, sizeof(line)) <= 0)
		fail(ASKED);
	out = fopen(SHOWN, "w");
	if (out == NULL)
		fail(SHOWN);
	show(state, 1, out);
	fclose(out);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct show state = { .format = argc == 4 ? format_of(argv[1]) : NULL };
	pid_t child;

	if (state.format == NULL) {
		printf("XENGT-PICTURE-ERROR usage: xengt-picture XR24|RG16 SEED FILE\n");
		return 2;
	}
	state.seed = (unsigned)atoi(argv[2]);
	state.name = argv[3];
	if (mkfifo(ASKED, 0600) != 0 || mkfifo(SHOWN, 0600) != 0)
		fail("mkfifo");
	screen_open(&state.screen);
	for (int i = 0; i < PICTURES; i++)
		screen_buffer(&state.screen, state.screen.mode.hdisplay, state.screen.mode.vdisplay, state.format,
			      &state.picture[i]);
	screen_buffer(&state.screen, CURSOR_SIZE, CURSOR_SIZE, format_of("AR24"), &state.cursor);
	show(&state, 0, stdout);
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		/* Its words are for those who ask. */
		setsid();
		stay(&state);
	}
	return 0;
}
