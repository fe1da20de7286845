# Included into the build of ik-llama-cpp-python, whose source package (0.1.5) lacks one script of ik_llama.cpp: its name matches a pattern
# of files that the packaging leaves out. Writes it: it makes the source that holds the build's number, which a package does not know.
# Also lets libllama.so find libggml.so beside it.
set(CMAKE_INSTALL_RPATH "$ORIGIN")
set(script "${CMAKE_SOURCE_DIR}/vendor/ik_llama.cpp/common/cmake/build-info-gen-cpp.cmake")
if(EXISTS "${CMAKE_SOURCE_DIR}/vendor/ik_llama.cpp" AND NOT EXISTS "${script}")
  file(WRITE "${script}" [[
set(BUILD_NUMBER 0)
set(BUILD_COMMIT unknown)
set(BUILD_COMPILER "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
set(BUILD_TARGET unknown)
configure_file("${CMAKE_CURRENT_LIST_DIR}/../build-info.cpp.in" "${CMAKE_CURRENT_LIST_DIR}/../build-info.cpp")
]])
endif()
