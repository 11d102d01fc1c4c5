// The architecture of a bare state dict, one that comes without config.json, from the names and
// shapes of its tensors.
#pragma once

#include <map>
#include <string>

#include <qe/checkpoint.h>

namespace qe {

// A config that names the architecture; what it leaves out has torchvision's defaults. `source`
// names the state dict in messages. Throws UnsupportedError, saying which are recognized, if it is
// none of them; a recognized architecture is checked tensor by tensor when its model is built.
Config recognize_architecture(const std::map<std::string, StoredTensor, std::less<>>& tensors,
                              const std::string& source);

}  // namespace qe
