// How many files this process may have open.
#pragma once

namespace naru {

/// Raises the limit to what the administrator allows: a shell's 1,024 are soon used up by one listener for
/// each healthCheckNodePort and address. What cannot be raised stays as it is.
void allow_many_open_files();

} // namespace naru
