message(FATAL_ERROR "mx_rmq includes a module of the project around it")
