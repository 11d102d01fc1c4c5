// Piece by piece, so that the host never holds a second copy of all of them.
#include "engine/backends/cuda/weights.h"

#include <utility>

#include "engine/backends/cuda/runtime.h"

namespace qe::cuda {
namespace {

constexpr std::size_t kPieceAlignment = 256;

}  // namespace

WeightRef WeightPlan::add(std::size_t bytes, Write write) {
  const std::size_t offset = bytes_;
  pieces_.push_back({offset, bytes, std::move(write)});
  bytes_ += (bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
  return {offset};
}

DeviceMemory WeightPlan::upload(int device) const {
  DeviceMemory memory = allocate_device(device, bytes_, "weights");
  const DeviceScope scope(device);
  const OwnedStream stream = make_stream(device);  // as allocate_zeroed()
  std::vector<std::byte> bytes;
  for (const Piece& piece : pieces_) {
    bytes.assign(piece.bytes, std::byte{0});
    piece.write(bytes);
    check(cudaMemcpyAsync(memory.get() + piece.offset, bytes.data(), bytes.size(),
                          cudaMemcpyHostToDevice, stream.get()),
          "uploading weights");
    check(cudaStreamSynchronize(stream.get()), "uploading weights");  // `bytes` is used again
  }
  return memory;
}

}  // namespace qe::cuda
