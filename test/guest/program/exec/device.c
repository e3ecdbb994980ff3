#include "device.h"

#include <drm.h>
#include <i915_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int retried_ioctl(int fd, unsigned long request, void *argument)
{
	int result;

	do {
		result = ioctl(fd, request, argument);
	} while (result == -1 && (errno == EINTR || errno == EAGAIN));
	return result == -1 ? -errno : 0;
}

static void must(int result, const char *what)
{
	if (result == 0)
		return;
	printf("XENGT-EXEC-ERROR %s: %s\n", what, strerror(-result));
	exit(2);
}

int device_open(void)
{
	static const char *const nodes[] = { "/dev/dri/renderD128", "/dev/dri/card0", "/dev/dri/card1" };

	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		char name[16] = "";
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
		int fd = open(nodes[i], O_RDWR | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (retried_ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 && strcmp(name, "i915") == 0)
			return fd;
		close(fd);
	}
	printf("XENGT-EXEC-ERROR no i915 device node\n");
	exit(2);
}

int device_param(int fd, int param, int fallback)
{
	int value = fallback;
	struct drm_i915_getparam query = { .param = param, .value = &value };

	return retried_ioctl(fd, DRM_IOCTL_I915_GETPARAM, &query) == 0 ? value : fallback;
}

uint64_t context_space(int fd, uint32_t context)
{
	struct drm_i915_gem_context_param query = { .ctx_id = context, .param = I915_CONTEXT_PARAM_GTT_SIZE };

	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM, &query), "context's address space size");
	return query.value;
}

uint32_t context_create(int fd)
{
	struct drm_i915_gem_context_create create = { 0 };

	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_CONTEXT_CREATE, &create), "create a context");
	return create.ctx_id;
}

void context_destroy(int fd, uint32_t context)
{
	struct drm_i915_gem_context_destroy destroy = { .ctx_id = context };

	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_CONTEXT_DESTROY, &destroy), "destroy a context");
}

static uint32_t *map_write_back(int fd, const struct buffer *buffer)
{
	struct drm_i915_gem_mmap_offset by_offset = { .handle = buffer->handle, .flags = I915_MMAP_OFFSET_WB };
	struct drm_i915_gem_mmap direct = { .handle = buffer->handle, .size = buffer->size };

	if (retried_ioctl(fd, DRM_IOCTL_I915_GEM_MMAP_OFFSET, &by_offset) == 0) {
		void *at = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, by_offset.offset);

		if (at != MAP_FAILED)
			return at;
	}
	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_MMAP, &direct), "map a buffer");
	return (uint32_t *)(uintptr_t)direct.addr_ptr;
}

struct buffer buffer_create(int fd, uint64_t size, uint64_t address)
{
	struct drm_i915_gem_create create = { .size = size };
	struct buffer buffer = { .address = address };

	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_CREATE, &create), "create a buffer");
	buffer.handle = create.handle;
	buffer.size = create.size;
	buffer.cpu = map_write_back(fd, &buffer);
	return buffer;
}

void buffer_to_cpu(int fd, const struct buffer *buffer, bool write)
{
	struct drm_i915_gem_set_domain domain = {
		.handle = buffer->handle,
		.read_domains = I915_GEM_DOMAIN_CPU,
		.write_domain = write ? I915_GEM_DOMAIN_CPU : 0,
	};

	must(retried_ioctl(fd, DRM_IOCTL_I915_GEM_SET_DOMAIN, &domain), "move a buffer to the CPU's domain");
}

bool buffer_wait(int fd, const struct buffer *buffer, int64_t limit_ns)
{
	struct drm_i915_gem_wait wait = { .bo_handle = buffer->handle, .timeout_ns = limit_ns };
	int result = retried_ioctl(fd, DRM_IOCTL_I915_GEM_WAIT, &wait);

	if (result == -ETIME)
		return false;
	must(result, "wait for a buffer");
	return true;
}

int submit(int fd, uint32_t context, unsigned engine_flags, const struct buffer *target, const struct buffer *source,
	   const struct buffer *batch, uint32_t bytes)
{
	const uint64_t placed = EXEC_OBJECT_PINNED | EXEC_OBJECT_SUPPORTS_48B_ADDRESS;
	struct drm_i915_gem_exec_object2 objects[3] = {
		{ .handle = target->handle, .offset = target->address, .flags = placed | EXEC_OBJECT_WRITE },
		{ .handle = source->handle, .offset = source->address, .flags = placed },
		{ .handle = batch->handle, .offset = batch->address, .flags = placed },
	};
	struct drm_i915_gem_execbuffer2 request = {
		.buffers_ptr = (uintptr_t)objects,
		.buffer_count = 3,
		.batch_len = bytes,
		.flags = engine_flags | I915_EXEC_NO_RELOC,
		.rsvd1 = context,
	};

	return retried_ioctl(fd, DRM_IOCTL_I915_GEM_EXECBUFFER2, &request);
}

int place(int fd, uint32_t context, struct buffer *const buffers[], unsigned count)
{
	struct drm_i915_gem_exec_object2 objects[16] = { 0 };
	struct drm_i915_gem_execbuffer2 request = {
		.buffers_ptr = (uintptr_t)objects,
		.buffer_count = count,
		.batch_len = 8,
		.flags = I915_EXEC_RENDER,
		.rsvd1 = context,
	};
	int result;

	for (unsigned i = 0; i < count; i++)
		objects[i].handle = buffers[i]->handle;
	result = retried_ioctl(fd, DRM_IOCTL_I915_GEM_EXECBUFFER2, &request);
	for (unsigned i = 0; i < count; i++)
		buffers[i]->address = objects[i].offset;
	return result;
}
