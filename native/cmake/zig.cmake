# A toolchain of clang and the C libraries of many systems, for scripts/cross-build: MLA_ZIG (how to start it) and MLA_TARGET, its name of a platform.
if(MLA_TARGET MATCHES "windows")
  set(CMAKE_SYSTEM_NAME Windows)
elseif(MLA_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${MLA_TARGET})
# lists of tests are made when they run, which these cannot be here
set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MLA_ZIG MLA_TARGET)
# what it needs is with the compiler
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER ${MLA_ZIG}/${language})
  set(CMAKE_${language}_COMPILER_TARGET ${MLA_TARGET})
endforeach()
set(CMAKE_AR ${MLA_ZIG}/ar)
set(CMAKE_RANLIB ${MLA_ZIG}/ranlib)
set(CMAKE_OSX_SYSROOT "")
set(MLA_APPLE_M1 apple_m1)
set(CMAKE_INSTALL_NAME_TOOL true)
# without symbols for debuggers
set(CMAKE_CXX_FLAGS_INIT -g0)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  # implied by -mavx512f in clang alone, and vectors of 512 bits are no operands of assembly without it
  string(APPEND CMAKE_CXX_FLAGS_INIT " -mevex512")
endif()
set(CMAKE_SHARED_LINKER_FLAGS_INIT -s)
# What nearly no processor takes is small rather than fast: jars have it five times.
set(MLA_GENERIC_FLAGS -Os)
