#include "store/store_private.h"
