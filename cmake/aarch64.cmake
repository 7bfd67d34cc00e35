# Debian's cross compiler; tests run under qemu-user. Rust is not crossed, so this goes with WRING_BRIDGE=OFF.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# The header-only libraries serve every processor, but /usr/include as a whole would bring the host's libc headers:
# only these folders are shown.
set(shared ${CMAKE_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${shared})
foreach(library hwy fmt nlohmann CLI)
  if(EXISTS /usr/include/${library} AND NOT EXISTS ${shared}/${library})
    file(CREATE_LINK /usr/include/${library} ${shared}/${library} SYMBOLIC)
  endif()
endforeach()
include_directories(SYSTEM ${shared})
