#include "store/store_private.h"
void *store_compact_thread(void *s) { (void)s; return NULL; }
th_err th_store_compact(th_store *store, th_progress_fn progress, void *ctx, th_diag *diag)
{ (void)store; (void)progress; (void)ctx; (void)diag; return TH_OK; }
