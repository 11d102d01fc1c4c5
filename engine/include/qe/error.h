// Typed errors. Each one says what is wrong with which file, tensor or option, what was expected
// and what was found, so that a user can act on the message alone. The library throws these and
// nothing else of its own; it never aborts, exits or prints.
#pragma once

#include <stdexcept>
#include <string>

namespace qe {

struct ErrorDetail {
  std::string problem = {};   // one clause: "tensor has the wrong shape"
  std::string file = {};      // file concerned, empty if none
  std::string name = {};      // tensor, node, key, option or "line 12"; empty if none
  std::string expected = {};  // empty if it goes without saying
  std::string actual = {};    // empty if it goes without saying
};

class Error : public std::runtime_error {
 public:
  // The message reads "file: name: problem (expected E, got A)".
  explicit Error(ErrorDetail detail);
  const ErrorDetail& detail() const noexcept { return detail_; }

 private:
  ErrorDetail detail_;
};

// A model, config, vocabulary or checkpoint that is malformed or contradicts itself.
class LoadError : public Error {
  using Error::Error;
};
// A well-formed model that this version does not run; says what is supported.
class UnsupportedError : public LoadError {
  using LoadError::LoadError;
};
// A graph that does not type-check: a fault of a model builder or a pass.
class GraphError : public Error {
  using Error::Error;
};
// Input data (text, tables, labels) that cannot be used.
class DataError : public Error {
  using Error::Error;
};
// The operating system refused to read or write.
class IoError : public Error {
  using Error::Error;
};
// Not enough memory, capacity or another resource; says how much was needed.
class ResourceError : public Error {
  using Error::Error;
};
// A GPU that is missing, too old for this build, or has failed.
class DeviceError : public Error {
  using Error::Error;
};
// Arguments of a call or of a command line that contradict its contract.
class UsageError : public Error {
  using Error::Error;
};

}  // namespace qe
