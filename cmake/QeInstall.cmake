# Installation of the library: headers as <qe/...>, the archive, a CMake package and a pkg-config
# file. Both of the latter name everything a static library needs at link time.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(QE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/qe)

install(TARGETS qe EXPORT qeTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/include/qe ${PROJECT_BINARY_DIR}/include/qe
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/qeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/qeConfig.cmake INSTALL_DESTINATION ${QE_PACKAGE_DIR})
# Before 1.0 every minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/qeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(EXPORT qeTargets NAMESPACE qe:: DESTINATION ${QE_PACKAGE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/package/qeConfig.cmake
  ${PROJECT_BINARY_DIR}/package/qeConfigVersion.cmake DESTINATION ${QE_PACKAGE_DIR})

# oneDNN and the OpenMP runtimes ship no pkg-config files, so their places are written out.
set(QE_PC_LIBS_PRIVATE -pthread)
if(QE_ONEDNN)
  list(PREPEND QE_PC_LIBS_PRIVATE
    -L$<TARGET_FILE_DIR:DNNL::dnnl> -ldnnl ${OpenMP_CXX_LIBRARIES})
endif()
if(QE_CUDA)
  list(PREPEND QE_PC_LIBS_PRIVATE -L$<TARGET_FILE_DIR:CUDA::cudart_static> -lcudart_static -ldl -lrt)
endif()
list(JOIN QE_PC_LIBS_PRIVATE " " QE_PC_LIBS_PRIVATE)
file(RELATIVE_PATH QE_PC_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/qe.pc.in ${PROJECT_BINARY_DIR}/package/qe.pc.in @ONLY)
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/package/qe.pc
  INPUT ${PROJECT_BINARY_DIR}/package/qe.pc.in)
install(FILES ${PROJECT_BINARY_DIR}/package/qe.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
