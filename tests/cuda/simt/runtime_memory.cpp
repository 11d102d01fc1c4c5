// Memory of the device and pinned memory, both from the heap; copies.
#include <cstdlib>
#include <cstring>

#include "tests/cuda/simt/runtime_state.h"

using namespace qe::simt;  // NOLINT(google-build-using-namespace): of this stand-in

namespace {

cudaError_t allocate(std::map<void*, std::size_t>& memory, void** to, std::size_t bytes) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  if (capturing()) return report(cudaErrorStreamCaptureUnsupported);
  const bool device = &memory == &state().device_memory;
  if (allocation_fails() || (device && used_bytes() + bytes > state().machine.memory_bytes)) {
    return report(cudaErrorMemoryAllocation);
  }
  if (bytes == 0) {
    *to = nullptr;
    return cudaSuccess;
  }
  // As the runtime aligns. malloc shows AddressSanitizer where the memory ends.
  *to = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*to, 0xCD, bytes);
  memory[*to] = bytes;
  return cudaSuccess;
}

cudaError_t release(std::map<void*, std::size_t>& memory, void* pointer) {
  const Lock lock;
  if (state().machine.devices == 0) return report(cudaErrorNoDevice);
  if (pointer == nullptr) return usable();
  if (memory.erase(pointer) == 0) return report(cudaErrorInvalidValue);
  static_cast<void>(drain_all());
  std::free(pointer);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return allocate(state().device_memory, memory, bytes);
}
cudaError_t cudaFree(void* memory) { return release(state().device_memory, memory); }
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return allocate(state().pinned_memory, memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) { return release(state().pinned_memory, memory); }

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (bytes > 0) std::memset(to, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const cudaError_t error = cudaMemsetAsync(to, value, bytes, nullptr);
  return error != cudaSuccess ? error : cudaStreamSynchronize(nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error != cudaSuccess ? error : cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * to_pitch,
                  static_cast<const std::byte*>(from) + row * from_pitch, width);
    }
    return cudaSuccess;
  });
}
