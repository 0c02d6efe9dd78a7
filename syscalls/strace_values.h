// Values of system call arguments as strace(1) writes them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace runsc {

// In double quotes, with C escapes; "..." after it if `cut`.
std::string EscapeBytes(std::string_view bytes);  // as within quotes
std::string QuoteBytes(std::string_view bytes, bool cut);
std::string OpenFlagsText(int flags);
std::string ProtText(int prot);
std::string MapFlagsText(int flags);
std::string AtFlagsText(int flags);
std::string CloneFlagsText(uint64_t flags);
std::string SignalText(int signo);
std::string FutexOpText(int op);
std::string WhenceText(int whence);
// The bytes of a struct sockaddr.
std::string SocketAddressText(std::string_view bytes);
// "ENOENT"; the kernel's restart codes included.
std::string ErrnoName(int error);

}  // namespace runsc
