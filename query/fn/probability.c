/* SPDX-License-Identifier: Apache-2.0
 * Distributions: normal, beta, Student's t; confidence intervals; buckets. */
#include <math.h>

#include "query/fn/call.h"
#include "query/fn/families.h"

#define STEPS_MAX 500

th_err fn_normal_cdf(th_fn_call *call, const th_value *args, th_value *out)
{
    double mean = args[0].f, deviation = args[1].f, v = args[2].f;
    if (!(deviation > 0)) return fn_bad(call, "standardDeviation must be > 0");
    out->f = 0.5 * erfc((mean - v) / (deviation * M_SQRT2));
    return TH_OK;
}

/* A rational start, then Newton's steps on erfc until nothing changes. */
static double normal_quantile(double p)
{
    double tail = p < 0.5 ? p : 1 - p, t = sqrt(-2 * log(tail));
    double x = -(t - (2.515517 + 0.802853 * t + 0.010328 * t * t) /
                         (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t));
    for (int i = 0; i < 50; i++) {
        double error = 0.5 * erfc(-x / M_SQRT2) - tail;
        double step = error / (exp(-0.5 * x * x) / sqrt(2 * M_PI));
        x -= step / (1 + 0.5 * x * step);
        if (fabs(step) <= 1e-16 * fabs(x)) break;
    }
    return p < 0.5 ? x : -x;
}

th_err fn_inverse_normal_cdf(th_fn_call *call, const th_value *args, th_value *out)
{
    double mean = args[0].f, deviation = args[1].f, p = args[2].f;
    if (!(p > 0 && p < 1)) return fn_bad(call, "p must be 0 > p > 1");
    if (!(deviation > 0)) return fn_bad(call, "sd must be > 0");
    out->f = mean + deviation * (p == 0.5 ? 0 : normal_quantile(p));
    return TH_OK;
}

/* Continued fraction of the incomplete beta function (modified Lentz). */
static long double beta_fraction(long double a, long double b, long double x)
{
    const long double tiny = 1e-300L;
    long double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabsl(d) < tiny ? tiny : d);
    long double h = d;
    for (int m = 1; m <= STEPS_MAX; m++) {
        long double am = (long double)m;
        long double even = am * (b - am) * x / ((a + 2 * am - 1) * (a + 2 * am));
        long double odd = -(a + am) * (a + b + am) * x / ((a + 2 * am) * (a + 2 * am + 1));
        for (int k = 0; k < 2; k++) {
            long double term = k == 0 ? even : odd;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabsl(d) < tiny ? tiny : d);
            c = fabsl(c) < tiny ? tiny : c;
            h *= d * c;
        }
        if (fabsl(d * c - 1) < 1e-19L) break;
    }
    return h;
}

static double beta_cdf(double a, double b, double x)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    long double la = (long double)a, lb = (long double)b, lx = (long double)x;
    long double front =
        expl(lgammal(la + lb) - lgammal(la) - lgammal(lb) + la * logl(lx) + lb * log1pl(-lx));
    if (lx < (la + 1) / (la + lb + 2)) return (double)(front * beta_fraction(la, lb, lx) / la);
    return (double)(1 - front * beta_fraction(lb, la, 1 - lx) / lb);
}

th_err fn_beta_cdf(th_fn_call *call, const th_value *args, th_value *out)
{
    if (!(args[0].f > 0 && args[1].f > 0)) return fn_bad(call, "a, b must be > 0");
    if (!(args[2].f >= 0 && args[2].f <= 1)) return fn_bad(call, "value must be 0 >= v >= 1");
    out->f = beta_cdf(args[0].f, args[1].f, args[2].f);
    return TH_OK;
}

th_err fn_inverse_beta_cdf(th_fn_call *call, const th_value *args, th_value *out)
{
    double low = 0, high = 1, p = args[2].f;
    if (!(p >= 0 && p <= 1)) return fn_bad(call, "p must be 0 >= p >= 1");
    if (!(args[0].f > 0 && args[1].f > 0)) return fn_bad(call, "a, b must be > 0");
    for (int i = 0; i < 200 && p > 0 && p < 1; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        if (beta_cdf(args[0].f, args[1].f, middle) < p)
            low = middle;
        else
            high = middle;
    }
    out->f = p <= 0 ? 0 : high;
    return TH_OK;
}

static th_err check_freedom(th_fn_call *call, double freedom)
{
    return freedom >= 1 ? TH_OK
                        : fn_bad(call, "degrees of freedom must be greater than or equal to 1");
}

th_err fn_t_cdf(th_fn_call *call, const th_value *args, th_value *out)
{
    double x = args[0].f, freedom = args[1].f;
    TH_TRY(check_freedom(call, freedom));
    double tail = 0.5 * beta_cdf(freedom / 2, 0.5, freedom / (freedom + x * x));
    out->f = x > 0 ? 1 - tail : tail;
    return TH_OK;
}

th_err fn_t_pdf(th_fn_call *call, const th_value *args, th_value *out)
{
    double x = args[0].f, freedom = args[1].f;
    TH_TRY(check_freedom(call, freedom));
    out->f = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2) -
                 (freedom + 1) / 2 * log1p(x * x / freedom)) /
             sqrt(freedom * M_PI);
    return TH_OK;
}

static th_err wilson(th_fn_call *call, const th_value *args, double sign, th_value *out)
{
    double good = (double)args[0].i, trials = (double)args[1].i, z = args[2].f;
    if (args[0].i < 0) return fn_bad(call, "number of successes must not be negative");
    if (args[1].i <= 0) return fn_bad(call, "number of trials must be positive");
    if (args[0].i > args[1].i)
        return fn_bad(call, "number of successes must not be larger than number of trials");
    if (!(z >= 0)) return fn_bad(call, "z-score must not be negative");
    double p = good / trials, z2 = z * z;
    double spread = z * sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials));
    out->f = (p + z2 / (2 * trials) + sign * spread) / (1 + z2 / trials);
    return TH_OK;
}

th_err fn_wilson_lower(th_fn_call *call, const th_value *args, th_value *out)
{
    return wilson(call, args, -1, out);
}

th_err fn_wilson_upper(th_fn_call *call, const th_value *args, th_value *out)
{
    return wilson(call, args, 1, out);
}

/* The number of bounds that are at or below the value. */
th_err fn_width_bucket_array(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t low = 0, high = th_value_size(&args[1]);
    th_value bound, last;
    if (high == 0) return fn_bad(call, "Bins cannot be an empty array");
    if (isnan(args[0].f)) return fn_bad(call, "Operand cannot be NaN");
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        th_value_element(&args[1], 0, low, &bound);
        th_value_element(&args[1], 0, high - 1, &last);
        if (bound.f > last.f) return fn_bad(call, "Bin values are not sorted in ascending order");
        th_value_element(&args[1], 0, middle, &bound);
        if (bound.null) return fn_bad(call, "Bin values cannot be null");
        if (!isfinite(bound.f)) return fn_bad(call, "Bin value must be finite");
        if (args[0].f < bound.f)
            high = middle;
        else
            low = middle + 1;
    }
    out->i = low;
    return TH_OK;
}

enum { COSINE, EUCLIDEAN, DOT };

/* Elements that are NULL make the result NULL. */
static th_err vector_pair(th_fn_call *call, const th_value *args, int what, th_value *out)
{
    uint32_t n = th_value_size(&args[0]);
    double dot = 0, left = 0, right = 0, apart = 0;
    if (n != th_value_size(&args[1]))
        return fn_bad(call, "The arguments must have the same length");
    for (uint32_t i = 0; i < n; i++) {
        th_value x, y;
        th_value_element(&args[0], 0, i, &x);
        th_value_element(&args[1], 0, i, &y);
        if (x.null || y.null) {
            out->null = true;
            return TH_OK;
        }
        dot += x.f * y.f;
        left += x.f * x.f;
        right += y.f * y.f;
        apart += (x.f - y.f) * (x.f - y.f);
    }
    if (what == COSINE && (left == 0 || right == 0))
        return fn_bad(call, "Vector magnitude cannot be zero");
    out->f = what == DOT ? dot : what == EUCLIDEAN ? sqrt(apart) : dot / sqrt(left * right);
    return TH_OK;
}

th_err fn_dot_product(th_fn_call *call, const th_value *args, th_value *out)
{
    return vector_pair(call, args, DOT, out);
}

th_err fn_euclidean_distance(th_fn_call *call, const th_value *args, th_value *out)
{
    return vector_pair(call, args, EUCLIDEAN, out);
}

th_err fn_cosine_similarity(th_fn_call *call, const th_value *args, th_value *out)
{
    return vector_pair(call, args, COSINE, out);
}

th_err fn_cosine_distance(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(vector_pair(call, args, COSINE, out));
    out->f = 1 - out->f;
    return TH_OK;
}

/* Sparse vectors: a missing key is 0. */
th_err fn_cosine_similarity_map(th_fn_call *call, const th_value *args, th_value *out)
{
    double dot = 0, length[2] = {0, 0};
    const th_type *key = call->arg_types[0]->children[0];
    th_value k, v, other;
    for (uint32_t m = 0; m < 2; m++) {
        for (uint32_t i = 0, n = th_value_size(&args[m]); i < n; i++) {
            th_value_element(&args[m], 1, i, &v);
            if (v.null) {
                out->null = true;
                return TH_OK;
            }
            length[m] += v.f * v.f;
            th_value_element(&args[m], 0, i, &k);
            for (uint32_t j = 0; m == 0 && j < th_value_size(&args[1]); j++) {
                th_value_element(&args[1], 0, j, &other);
                if (!th_value_same(key, &k, &other)) continue;
                th_value_element(&args[1], 1, j, &other);
                dot += other.null ? 0 : v.f * other.f;
            }
        }
    }
    if (length[0] == 0 || length[1] == 0)
        out->null = true;
    else
        out->f = dot / (sqrt(length[0]) * sqrt(length[1]));
    return TH_OK;
}

th_err fn_cosine_distance_map(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(fn_cosine_similarity_map(call, args, out));
    out->f = 1 - out->f;
    return TH_OK;
}
