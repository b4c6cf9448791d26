// The one source file that has the library in it.
#include <mx_rmq/src.hpp>
