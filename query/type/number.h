/* SPDX-License-Identifier: Apache-2.0
 * Numbers and their text: shortest doubles, decimals of up to 38 digits in 128 bits. */
#ifndef TH_QUERY_TYPE_NUMBER_H
#define TH_QUERY_TYPE_NUMBER_H

#include "base/buf.h"
#include "query/vector.h"

#define TH_DECIMAL_DIGITS_MAX 38

/* As Java's toString does it: 0.25, 1.0E10, NaN, Infinity. real: shortest for 32 bits. */
void th_double_print(th_buf *out, double v, bool real);
/* As CAST(.. AS varchar) does it: 2.5E-1, 1.0E10, 0E0. */
void th_double_print_cast(th_buf *out, double v, bool real);
/* Digits with optional sign, point, exponent and a final f or d, NaN, [+-]Infinity; spaces around are allowed. */
bool th_double_parse(th_slice s, double *out);
/* Nearest 32-bit value. */
double th_real_of(double v);

th_i128 th_pow10(uint32_t exponent); /* exponent <= 38 */
bool th_decimal_fits(th_i128 v, uint32_t precision);
/* "-12.50" into an unscaled value; false when it has over 38 digits or is no number. An exponent is allowed. */
bool th_decimal_parse(th_slice s, th_i128 *out, uint32_t *precision, uint32_t *scale);
void th_decimal_print(th_buf *out, th_i128 v, uint32_t scale);
/* Change the scale, rounding half away from zero. False: does not fit 38 digits. */
bool th_decimal_rescale(th_i128 v, uint32_t from, uint32_t to, th_i128 *out);
/* a * 10^shift / b rounded half away from zero; b is not 0, shift <= 76. False: does not fit 38 digits. */
bool th_decimal_divide(th_i128 a, uint32_t shift, th_i128 b, th_i128 *out);
double th_decimal_to_double(th_i128 v, uint32_t scale);
/* a * b / 10^drop, rounded half away from zero; drop <= 38. False: does not fit 38 digits. */
bool th_decimal_multiply(th_i128 a, th_i128 b, uint32_t drop, th_i128 *out);
/* Of the shortest digits that name the number, rounded half away from zero; real: shortest for 32 bits. False: NaN,
 * infinite or too large. */
bool th_decimal_from_double(double v, bool real, uint32_t precision, uint32_t scale, th_i128 *out);

#endif
