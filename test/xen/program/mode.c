/*
 * xengt-mode SEED: sets a mode of its own on the first connected connector, fills the frame buffer with a picture that
 * depends on SEED, says so, and keeps the mode until it is killed. The picture is drawn through a CPU mapping of the
 * buffer: a text console paints through the aperture instead, which takes minutes where each store is a trap.
 *
 * Pixel (x, y) is (x + SEED * 37) & 255 red, (y + SEED * 11) & 255 green, (x ^ y) & 255 blue.
 */
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_OBJECTS 32
#define MAX_MODES 64

static int fail(const char *step)
{
	printf("XENGT-MODE-ERROR %s: %s\n", step, strerror(errno));
	return 1;
}

/* The first connector with a monitor; its preferred mode is the first. */
static int find_connector(int fd, const uint32_t *connectors, unsigned count, uint32_t *id, struct drm_mode_modeinfo *mode)
{
	static struct drm_mode_modeinfo modes[MAX_MODES];

	for (unsigned i = 0; i < count; i++) {
		struct drm_mode_get_connector probe = { .connector_id = connectors[i] };

		/* Without room for modes the driver looks at the wire anew. */
		if (ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &probe) < 0)
			return -1;
		if (probe.connection != 1 || probe.count_modes == 0)
			continue;
		struct drm_mode_get_connector get = {
			.connector_id = connectors[i],
			.modes_ptr = (uintptr_t)modes,
			.count_modes = probe.count_modes < MAX_MODES ? probe.count_modes : MAX_MODES,
		};

		if (ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get) < 0)
			return -1;
		*id = connectors[i];
		*mode = modes[0];
		for (unsigned at = 0; at < get.count_modes; at++)
			if (modes[at].type & DRM_MODE_TYPE_PREFERRED) {
				*mode = modes[at];
				break;
			}
		return 0;
	}
	errno = ENODEV;
	return -1;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	uint32_t crtcs[MAX_OBJECTS], connectors[MAX_OBJECTS], connector;
	struct drm_mode_modeinfo mode;
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_crtcs = MAX_OBJECTS,
		.count_connectors = MAX_OBJECTS,
	};
	int fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0)
		return fail("open");
	if (ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0)
		return fail("resources");
	if (resources.count_crtcs == 0 || resources.count_crtcs > MAX_OBJECTS || resources.count_connectors > MAX_OBJECTS)
		return fail("resources");
	if (find_connector(fd, connectors, resources.count_connectors, &connector, &mode) < 0)
		return fail("connector");

	struct drm_mode_create_dumb buffer = { .width = mode.hdisplay, .height = mode.vdisplay, .bpp = 32 };

	if (ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &buffer) < 0)
		return fail("buffer");
	struct drm_mode_map_dumb map = { .handle = buffer.handle };

	if (ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
		return fail("map");
	uint8_t *pixels = mmap(NULL, buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);

	if (pixels == MAP_FAILED)
		return fail("mmap");
	for (uint32_t y = 0; y < buffer.height; y++) {
		uint32_t *row = (uint32_t *)(pixels + (size_t)y * buffer.pitch);

		for (uint32_t x = 0; x < buffer.width; x++)
			row[x] = ((x + seed * 37) & 255) << 16 | ((y + seed * 11) & 255) << 8 | ((x ^ y) & 255);
	}
	struct drm_mode_fb_cmd frame = {
		.width = buffer.width,
		.height = buffer.height,
		.pitch = buffer.pitch,
		.bpp = 32,
		.depth = 24,
		.handle = buffer.handle,
	};

	if (ioctl(fd, DRM_IOCTL_MODE_ADDFB, &frame) < 0)
		return fail("frame buffer");
	struct drm_mode_crtc set = {
		.set_connectors_ptr = (uintptr_t)&connector,
		.count_connectors = 1,
		.crtc_id = crtcs[0],
		.fb_id = frame.fb_id,
		.mode_valid = 1,
		.mode = mode,
	};

	if (ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &set) < 0)
		return fail("set mode");
	printf("XENGT-MODE width=%u height=%u hz=%u seed=%u\n", mode.hdisplay, mode.vdisplay, mode.vrefresh, seed);
	for (;;)
		pause();
}
