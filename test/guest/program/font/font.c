/*
 * xengt-font TEXT: prints the glyphs with which the text console draws TEXT, as the console itself reports them, so
 * that a picture of the screen can be compared with them bit by bit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_GLYPHS 512
#define MAX_HEIGHT 32 /* KD_FONT_OP_GET gives each glyph this many rows, whatever the font's height */
#define MAX_WIDTH 32

static unsigned char glyphs[MAX_GLYPHS * MAX_HEIGHT * (MAX_WIDTH / 8)];

int main(int argc, char **argv)
{
	struct console_font_op font = {
		.op = KD_FONT_OP_GET,
		.width = MAX_WIDTH,
		.height = MAX_HEIGHT,
		.charcount = MAX_GLYPHS,
		.data = glyphs,
	};
	char printed[256] = { 0 };
	int fd = open("/dev/tty1", O_RDWR | O_NOCTTY);

	if (argc < 2 || fd < 0 || ioctl(fd, KDFONTOP, &font) < 0) {
		printf("XENGT-FONT-ERROR %s\n", argc < 2 ? "usage: xengt-font TEXT" : strerror(errno));
		return 1;
	}
	unsigned row_bytes = (font.width + 7) / 8;

	printf("XENGT-FONT width=%u height=%u\n", font.width, font.height);
	for (const unsigned char *at = (const unsigned char *)argv[1]; *at; at++) {
		if (printed[*at]++)
			continue;
		printf("XENGT-GLYPH code=%u rows=", *at);
		for (unsigned i = 0; i < font.height * row_bytes; i++)
			printf("%02x", glyphs[*at * MAX_HEIGHT * row_bytes + i]);
		printf("\n");
	}
	return 0;
}
