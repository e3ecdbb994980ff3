#include "screen.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST 16
#define MOST_MODES 128

static const struct format formats[] = {
	{ "XR24", DRM_FORMAT_XRGB8888, 32, 8, 16, 8, 8, 8 },
	{ "AR24", DRM_FORMAT_ARGB8888, 32, 8, 16, 8, 8, 8 },
	{ "RG16", DRM_FORMAT_RGB565, 16, 5, 11, 6, 5, 5 },
};

const struct format *format_of(const char *name)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

void fail(const char *what)
{
	printf("XENGT-PICTURE-ERROR %s: %s\n", what, strerror(errno));
	exit(1);
}

static void asked(const struct screen *screen, unsigned long request, void *argument, const char *what)
{
	while (ioctl(screen->fd, request, argument) == -1)
		if (errno != EINTR && errno != EAGAIN)
			fail(what);
}

void screen_open(struct screen *screen)
{
	uint32_t connectors[MOST], crtcs[MOST];
	struct drm_mode_card_res resources = {
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = MOST,
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = MOST,
	};

	screen->fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (screen->fd < 0)
		fail("/dev/dri/card0");
	asked(screen, DRM_IOCTL_MODE_GETRESOURCES, &resources, "resources");
	if (resources.count_crtcs == 0 || resources.count_connectors > MOST || resources.count_crtcs > MOST) {
		errno = ENODEV;
		fail("pipes and connectors");
	}
	screen->crtc = crtcs[0];
	for (unsigned i = 0; i < resources.count_connectors; i++) {
		static struct drm_mode_modeinfo modes[MOST_MODES];
		struct drm_mode_get_connector connector = { .connector_id = connectors[i] };

		/* Asked with no room for modes, the driver looks at the connector anew. */
		asked(screen, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "connector");
		if (connector.connection != 1 || connector.count_modes == 0 || connector.count_modes > MOST_MODES)
			continue;
		connector = (struct drm_mode_get_connector){
			.connector_id = connectors[i],
			.modes_ptr = (uintptr_t)modes,
			.count_modes = MOST_MODES,
		};
		asked(screen, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "modes");
		screen->connector = connectors[i];
		screen->mode = modes[0];
		return;
	}
	errno = ENODEV;
	fail("no monitor is plugged in");
}

void screen_buffer(const struct screen *screen, uint32_t width, uint32_t height, const struct format *format,
		   struct buffer *buffer)
{
	struct drm_mode_create_dumb made = { .width = width, .height = height, .bpp = format->bpp };
	struct drm_mode_map_dumb mapping = { 0 };
	struct drm_mode_fb_cmd2 framebuffer = { .width = width, .height = height, .pixel_format = format->fourcc };

	asked(screen, DRM_IOCTL_MODE_CREATE_DUMB, &made, "create");
	mapping.handle = made.handle;
	asked(screen, DRM_IOCTL_MODE_MAP_DUMB, &mapping, "map");
	framebuffer.handles[0] = made.handle;
	framebuffer.pitches[0] = made.pitch;
	asked(screen, DRM_IOCTL_MODE_ADDFB2, &framebuffer, "frame buffer");
	*buffer = (struct buffer){
		.handle = made.handle,
		.framebuffer = framebuffer.fb_id,
		.width = width,
		.height = height,
		.pitch = made.pitch,
		.pixels = mmap(NULL, made.size, PROT_READ | PROT_WRITE, MAP_SHARED, screen->fd, (off_t)mapping.offset),
	};
	if (buffer->pixels == MAP_FAILED)
		fail("mmap");
}

void screen_show(const struct screen *screen, const struct buffer *buffer)
{
	uint32_t connector = screen->connector;
	struct drm_mode_crtc crtc = {
		.crtc_id = screen->crtc,
		.fb_id = buffer->framebuffer,
		.set_connectors_ptr = (uintptr_t)&connector,
		.count_connectors = 1,
		.mode = screen->mode,
		.mode_valid = 1,
	};

	asked(screen, DRM_IOCTL_MODE_SETCRTC, &crtc, "mode");
}

void screen_flip(const struct screen *screen, const struct buffer *buffer)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = screen->crtc,
		.fb_id = buffer->framebuffer,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct drm_event_vblank event;

	asked(screen, DRM_IOCTL_MODE_PAGE_FLIP, &flip, "flip");
	while (read(screen->fd, &event, sizeof(event)) != (ssize_t)sizeof(event))
		if (errno != EINTR && errno != EAGAIN)
			fail("flip's event");
}

void screen_cursor(const struct screen *screen, const struct buffer *buffer, int x, int y)
{
	struct drm_mode_cursor cursor = {
		.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
		.crtc_id = screen->crtc,
		.x = x,
		.y = y,
		.width = buffer->width,
		.height = buffer->height,
		.handle = buffer->handle,
	};

	asked(screen, DRM_IOCTL_MODE_CURSOR, &cursor, "cursor");
}
