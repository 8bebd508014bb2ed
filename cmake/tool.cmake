# The tool `arenite`: may use libraries, and must not link the allocator that it examines.

set(ARENITE_TOOL_LAYERS trace inspect cli)
set(ARENITE_TOOL_SOURCES "")
foreach(layer IN LISTS ARENITE_TOOL_LAYERS)
    file(GLOB layer_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.c)
    list(APPEND ARENITE_TOOL_SOURCES ${layer_sources})
endforeach()

if(ARENITE_TOOL_SOURCES AND ARENITE_PRODUCTS)
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
    add_executable(arenite ${ARENITE_TOOL_SOURCES})
    target_compile_definitions(arenite PRIVATE _GNU_SOURCE
        ARENITE_VERSION="${PROJECT_VERSION}")
    target_include_directories(arenite PRIVATE ${PROJECT_SOURCE_DIR}/src
        ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(arenite PRIVATE arenite_strict arenite_model PkgConfig::JANSSON m)
    install(TARGETS arenite RUNTIME DESTINATION bin)
endif()
