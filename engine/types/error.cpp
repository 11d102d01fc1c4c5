// Composes the one-line message of an error from its parts.
#include <qe/error.h>

#include <utility>

namespace qe {
namespace {

std::string compose(const ErrorDetail& detail) {
  std::string text;
  if (!detail.file.empty()) text += detail.file + ": ";
  if (!detail.name.empty()) text += detail.name + ": ";
  text += detail.problem;
  if (!detail.expected.empty() && !detail.actual.empty()) {
    text += " (expected " + detail.expected + ", got " + detail.actual + ")";
  } else if (!detail.expected.empty()) {
    text += " (expected " + detail.expected + ")";
  } else if (!detail.actual.empty()) {
    text += " (got " + detail.actual + ")";
  }
  return text;
}

}  // namespace

Error::Error(ErrorDetail detail)
    : std::runtime_error(compose(detail)), detail_(std::move(detail)) {}

}  // namespace qe
