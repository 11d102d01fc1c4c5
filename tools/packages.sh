# Debian packages that a build needs, and their installation. Sourced by tools/demo.sh and
# tests/run.sh; defines ensure_packages and does nothing by itself.
# shellcheck shell=bash

readonly QE_BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config libicu-dev nlohmann-json3-dev libcli11-dev libxxhash-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev
  libdnnl-dev ocl-icd-opencl-dev)
# The list is for the scripts that source this file.
# shellcheck disable=SC2034
readonly QE_TEST_PACKAGES=("${QE_BUILD_PACKAGES[@]}" doctest-dev libbenchmark-dev spin)

# ensure_packages PACKAGE...: installs what is missing as root or with sudo; where neither is at
# hand prints the command to run and exits with 2.
ensure_packages() {
  local missing=() package
  for package in "$@"; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
      missing+=("$package")
    fi
  done
  if [ "${#missing[@]}" -eq 0 ]; then
    return
  fi
  local elevate=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "Some packages are missing. Install them and run this again:" >&2
      echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
      exit 2
    fi
    elevate=(sudo -n)
  fi
  echo "installing ${missing[*]}" >&2
  "${elevate[@]}" apt-get update -q >&2
  "${elevate[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}
