// GPU memory of the tests.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace qe::test {

inline void require(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

// Of random cases: QE_TEST_SEED, where that is set.
inline std::uint64_t test_seed(std::uint64_t otherwise) {
  const char* text = std::getenv("QE_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Whether the kernels run on the host (tests/cuda/simt).
inline bool emulated() {
  cudaDeviceProp properties;
  return cudaGetDeviceProperties(&properties, 0) == cudaSuccess &&
         std::string(properties.name) == "emulated on the host";
}

// Exactly as many bytes as its elements have, so that memcheck sees what passes their end.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::span<const T> values) : count_(values.size()) {
    if (count_ == 0) return;
    require(cudaMalloc(reinterpret_cast<void**>(&data_), values.size_bytes()));
    require(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice));
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(std::span<const T>(values)) {}
  ~DeviceArray() { static_cast<void>(cudaFree(data_)); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    if (count_ > 0) {
      require(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    }
    return values;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

}  // namespace qe::test
