# Unit tests: one program a file, linked with the library's internals.

file(GLOB unit_sources CONFIGURE_DEPENDS unit/test_*.c)
file(GLOB unit_support CONFIGURE_DEPENDS unit/support_*.c)
if(NOT "unit" IN_LIST ARENITE_SUITES)
    list(FILTER unit_sources INCLUDE REGEX "_threads")
endif()
if(NOT TARGET arenite_internal)
    return()
endif()
find_package(Threads REQUIRED)

# There is no 32-bit cmocka without a second package architecture: a stand-in serves there.
add_library(unit_cmocka INTERFACE)
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
    target_include_directories(unit_cmocka INTERFACE support/small_cmocka)
else()
    find_library(CMOCKA_LIBRARY cmocka REQUIRED)
    target_link_libraries(unit_cmocka INTERFACE ${CMOCKA_LIBRARY})
endif()

# The label says which build it was; the launcher switches address randomisation off for
# ThreadSanitizer, which knows fixed ranges only.
set(unit_label unit)
set(unit_launcher "")
set(unit_seconds ${ARENITE_TEST_SECONDS})
set(unit_environment "")
if(ARENITE_SANITIZE MATCHES "thread")
    set(unit_label tsan)
    set(unit_seconds 900)
    set(unit_environment "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
    execute_process(COMMAND setarch -R true RESULT_VARIABLE setarch_status ERROR_QUIET OUTPUT_QUIET)
    if(setarch_status EQUAL 0)
        set(unit_launcher setarch -R)
    endif()
elseif(ARENITE_SANITIZE)
    set(unit_label asan)
    set(unit_seconds 900)
    set(unit_environment
        "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=1"
        "UBSAN_OPTIONS=print_stacktrace=1")
elseif(CMAKE_SIZEOF_VOID_P EQUAL 4)
    set(unit_label i386)
endif()

foreach(source IN LISTS unit_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(unit_${name} EXCLUDE_FROM_ALL ${source} ${unit_support})
    target_compile_definitions(unit_${name} PRIVATE ARENITE_PREFIXED=1)
    target_link_libraries(unit_${name} PRIVATE arenite_model arenite_internal
        arenite_library_flags arenite_warnings test_support unit_cmocka Threads::Threads ${CMAKE_DL_LIBS} m)
    add_dependencies(tests unit_${name})
    add_test(NAME ${unit_label}.${name} COMMAND ${unit_launcher} $<TARGET_FILE:unit_${name}>)
    set_test_facts(${unit_label}.${name} ${unit_label} ${source} ${unit_seconds})
    set_property(TEST ${unit_label}.${name} PROPERTY ENVIRONMENT ${unit_environment})
endforeach()

if("unit" IN_LIST ARENITE_SUITES AND NOT ARENITE_SANITIZE MATCHES "thread")
    include(${CMAKE_CURRENT_SOURCE_DIR}/on_model.cmake)
    include(${CMAKE_CURRENT_SOURCE_DIR}/fuzz.cmake)
endif()
