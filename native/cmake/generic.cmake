# This machine, as if nothing were known of its processor: the instruction set generic alone, for what takes too long with all of them.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR generic)
