// main() of the tests that need a GPU: without a usable one they are skipped, and say why.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <iostream>

#include <qe/cuda/device.h>
#include <qe/error.h>

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  try {
    const qe::cuda::Device device = qe::cuda::usable_device(0);
    std::cout << "device 0: " << device.name << ", compute capability " << device.major << "."
              << device.minor << "\n";
  } catch (const qe::DeviceError& error) {
    std::cout << "skipped: " << error.what() << "\n";
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
