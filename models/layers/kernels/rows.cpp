// Kernels for rows: Adam row by row, sums and copies by domain, and affine maps whose matrix is a shared
// one times a domain's own.
//
// A plain C interface, which Python calls by ctypes. All arrays belong to the caller. Each function exists
// for float and double, and is compiled for several kinds of x86 processors; the one that fits is taken when
// the library is loaded. No product is fused with a sum, and sums have one order, so that all kinds give the
// same bits, but for the products of `gemm`, which is that of torch.

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE inline __attribute__((always_inline))

namespace {

constexpr int64_t LANES = 16;     // partial sums of a sum of products
constexpr int64_t AHEAD = 12;     // rows that are fetched before their turn
constexpr int64_t POWERS = 4096;  // gaps whose powers are tabulated
constexpr int64_t FEW = 4;        // rows of a domain up to which `gemm` is not worth its call

// A table of R rows of K values and its Adam; `State` of rows.py has the same fields.
template <class T>
struct State {
    T* rows;            // (R, 3, K) values, first and second moments
    int32_t* last;      // (R,) the step that a row is at
    int32_t* found_in;  // (R,) the look-up that found it last
    int32_t* place;     // (R,) its place among the rows that this one found
    const T* l2;        // (R,) weight of the L2 penalty for each occurrence, or null
    const T* drifts;    // (S,) F_s
    const T* epsilons;  // (S,) epsilon of the steps after s
    const T* decays;    // (POWERS, 3) powers of q, beta_1 and beta_2
    const T* far;       // (F,) powers of beta_2^POWERS
    const float* is_broken;  // where it is 1 no step moves anything; or null
    int32_t* distinct;  // (N,) the rows of the last look-up
    int32_t* counts;    // (N,) how often each is read
    T* total;           // (N, K) scratch: sums of gradients
    int64_t num_rows, width, num_constants, num_far;
    double rate, beta_1, beta_2, epsilon;
    int32_t fixed;  // a row that never moves, or -1
    int32_t steps, look_ups, num_distinct;

    INLINE T* row(int64_t number) const { return rows + 3 * width * number; }
    INLINE bool may_move() const { return is_broken == nullptr || *is_broken != 1.0f; }
};

template <class T>
INLINE T root(T value) {
    return sizeof(T) == 4 ? T(__builtin_sqrtf(float(value))) : T(__builtin_sqrt(double(value)));
}

// What a row does in the steps without it: it moves along its momentum.
template <class T>
struct Missed {
    bool is_late;
    T distance = 0, epsilon = 0, of_first = 0, of_second = 0;

    INLINE Missed(const State<T>& s, int64_t number) {
        const int64_t last = s.last[number], gap = s.steps - last;
        is_late = last > 0 && gap > 0;  // at 0 there is no momentum yet
        if (!is_late) return;
        const T* decay = s.decays + 3 * (gap % POWERS);
        const int64_t far = gap / POWERS, end = s.num_constants - 1;
        const int64_t from = last < end ? last : end, to = s.steps < end ? s.steps : end;
        const T of_both = far == 0 ? decay[0] : T(0);  // q and beta_1 have come to zero there
        of_first = far == 0 ? decay[1] : T(0);
        of_second = far < s.num_far ? decay[2] * s.far[far] : T(0);
        distance = T(s.rate) * (s.drifts[from] - of_both * s.drifts[to]);
        epsilon = s.epsilons[from];
    }

    INLINE void move(T* __restrict__ value, T* __restrict__ first, T* __restrict__ second, int64_t n) const {
        for (int64_t k = 0; k < n; ++k) {
            value[k] -= distance * first[k] / (root(second[k]) + epsilon);
            first[k] *= of_first;
            second[k] *= of_second;
        }
    }
};

template <class T>
INLINE void bring_up_to_date(const State<T>& s, int64_t number) {
    const Missed<T> missed(s, number);
    T* value = s.row(number);
    if (missed.is_late) missed.move(value, value + s.width, value + 2 * s.width, s.width);
    s.last[number] = s.steps;
}

// A step of Adam.
template <class T>
struct Step {
    T size, root_of_correction, of_gradient, decay, of_square, epsilon;

    INLINE Step(const State<T>& s, int32_t step)
        : size(T(s.rate / (1.0 - std::pow(s.beta_1, step)))),
          root_of_correction(T(std::sqrt(1.0 - std::pow(s.beta_2, step)))),
          of_gradient(T(1.0 - s.beta_1)),
          decay(T(s.beta_2)),
          of_square(T(1.0 - s.beta_2)),
          epsilon(T(s.epsilon)) {}

    INLINE void move(T& value, T& first, T& second, T gradient) const {
        first += of_gradient * (gradient - first);
        second = decay * second + of_square * gradient * gradient;
        value -= size * first / (root(second) / root_of_correction + epsilon);
    }
};

template <class T>
INLINE void fetch(const State<T>& s, int64_t number) {
    const char* start = reinterpret_cast<const char*>(s.row(number));
    const int64_t size = 3 * s.width * int64_t(sizeof(T));
    for (int64_t at = 0; at < size && at < 512; at += 64) __builtin_prefetch(start + at, 1);
}

// Find the different rows of a look-up, in the order in which they come; `places` (N,) of its ids among them.
// Returns the place of the first id that the table lacks, or -1.
template <class T>
INLINE int64_t find(State<T>& s, const int32_t* ids, int64_t n, int32_t* places) {
    const int32_t number = ++s.look_ups;
    int32_t found = 0;
    s.num_distinct = 0;
    for (int64_t i = 0; i < n; ++i)
        if (ids[i] < 0 || ids[i] >= s.num_rows) return i;
    for (int64_t i = 0; i < n; ++i) {
        if (i + AHEAD < n) {
            __builtin_prefetch(s.found_in + ids[i + AHEAD], 1);
            __builtin_prefetch(s.place + ids[i + AHEAD], 1);
            __builtin_prefetch(s.last + ids[i + AHEAD], 1);
        }
        const int32_t row = ids[i];
        if (s.found_in[row] != number) {
            s.found_in[row] = number;
            s.place[row] = found;
            s.counts[found] = 0;
            s.distinct[found++] = row;
        }
        places[i] = s.place[row];
        ++s.counts[places[i]];
    }
    s.num_distinct = found;
    return -1;
}

// The rows (N, K) of a look-up, brought up to date; without `out` nothing is copied. Returns as `find`.
template <class T>
INLINE int64_t look_up(State<T>& s, const int32_t* ids, int64_t n, int32_t* places, T* out) {
    const int64_t lacking = find(s, ids, n, places);
    if (lacking >= 0) return lacking;
    for (int64_t u = 0; u < s.num_distinct; ++u) {
        if (u + AHEAD < s.num_distinct) fetch(s, s.distinct[u + AHEAD]);
        bring_up_to_date(s, s.distinct[u]);
    }
    if (out != nullptr)
        for (int64_t i = 0; i < n; ++i) std::memcpy(out + s.width * i, s.row(ids[i]), s.width * sizeof(T));
    return -1;
}

// One step on the rows of the last look-up, the gradient of which is (N, K).
template <class T>
INLINE void step(State<T>& s, const T* gradient, const int32_t* places, int64_t n) {
    const int64_t width = s.width;
    std::memset(s.total, 0, s.num_distinct * width * sizeof(T));
    for (int64_t i = 0; i < n; ++i) {
        T* __restrict__ total = s.total + width * places[i];
        const T* __restrict__ own = gradient + width * i;
        for (int64_t k = 0; k < width; ++k) total[k] += own[k];
    }
    if (!s.may_move()) return;
    const Step<T> adam(s, ++s.steps);
    for (int64_t u = 0; u < s.num_distinct; ++u) {
        if (u + AHEAD < s.num_distinct) fetch(s, s.distinct[u + AHEAD]);
        const int32_t number = s.distinct[u];
        s.last[number] = s.steps;
        if (number == s.fixed) continue;
        const T* __restrict__ total = s.total + width * u;
        T* __restrict__ value = s.row(number);
        T* __restrict__ first = value + width;
        T* __restrict__ second = first + width;
        const T share = s.l2 == nullptr ? T(0) : s.l2[number] * T(s.counts[u]);
        for (int64_t k = 0; k < width; ++k) adam.move(value[k], first[k], second[k], total[k] + share * value[k]);
    }
}

template <class T>
INLINE void catch_up(State<T>& s) {
    for (int64_t number = 0; number < s.num_rows; ++number) bring_up_to_date(s, number);
}

// Sums (U, N) of rows (B, N) by group, of their products with `factors` (B, N) if there are some.
template <class T>
INLINE void sum_by_group(const int64_t* group, int64_t num_rows, int64_t width, const T* rows, const T* factors, T* sums) {
    for (int64_t i = 0; i < num_rows; ++i) {
        T* __restrict__ sum = sums + width * group[i];
        const T* __restrict__ row = rows + width * i;
        const T* __restrict__ factor = factors + width * i;
        if (factors == nullptr)
            for (int64_t k = 0; k < width; ++k) sum[k] += row[k];
        else
            for (int64_t k = 0; k < width; ++k) sum[k] += row[k] * factor[k];
    }
}

// Rows (B, N) times the factors (U, N) of their groups, added to `to` (B, N).
template <class T>
INLINE void add_products(const int64_t* group, int64_t num_rows, int64_t width, const T* rows, const T* factors, T* to) {
    for (int64_t i = 0; i < num_rows; ++i) {
        T* __restrict__ sum = to + width * i;
        const T* __restrict__ row = rows + width * i;
        const T* __restrict__ factor = factors + width * group[i];
        for (int64_t k = 0; k < width; ++k) sum[k] += row[k] * factor[k];
    }
}

// Copies (B, N) of the rows (U, N) with these numbers.
template <class T>
INLINE void take(const int64_t* numbers, int64_t num_rows, int64_t width, const T* rows, T* to) {
    for (int64_t i = 0; i < num_rows; ++i) std::memcpy(to + width * i, rows + width * numbers[i], width * sizeof(T));
}

// Copies rows (B, N) to the places with these numbers.
template <class T>
INLINE void put(const int64_t* numbers, int64_t num_rows, int64_t width, const T* rows, T* to) {
    for (int64_t i = 0; i < num_rows; ++i) std::memcpy(to + width * numbers[i], rows + width * i, width * sizeof(T));
}

// Fortran's product of matrices.
typedef void Gemm(const char*, const char*, const int*, const int*, const int*, const void*, const void*, const int*,
                  const void*, const int*, const void*, void*, const int*);

// A pass of rows (B, in) to (B, out) by the matrices of U domains; `Factors` of factors.py has the same fields.
template <class T>
struct Factors {
    State<T>* weights;     // of the factors or whole matrices (out, in) of each domain
    State<T>* biases;      // and of its own bias (out,)
    int64_t num, n_out, n_in;
    const int64_t* ids;    // (U,) domains, all different
    const int64_t* sizes;  // (U,) the rows of each
    const int64_t* order;  // (B,) rows, domain by domain
    const T* weight;       // (out, in), shared, or null: the domains' own are whole matrices
    const T* bias;         // (out,), shared, or null with it
    const T* share;        // (U,) weight of the squared distance of a domain's factors from 1, or null
    T* scratch;            // (2 B (in + out) + 3 out in,)
    Gemm* gemm;            // or null
};

// A product of column-major matrices (m, k) and (k, n); `kinds` says which of them is stored transposed.
template <class T>
INLINE void multiply(Gemm* gemm, const char* kinds, int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c) {
    const T one = 1, zero = 0;
    const int height = int(m), width = int(n), depth = int(k);
    const int lead_a = kinds[0] == 'N' ? height : depth, lead_b = kinds[1] == 'N' ? depth : width;
    gemm(kinds, kinds + 1, &height, &width, &depth, &one, a, &lead_a, b, &lead_b, &zero, c, &height);
}

template <class T>
INLINE void multiply_elements(const T* a, const T* b, int64_t n, T* to) {
    const T* __restrict__ one = a;
    const T* __restrict__ other = b;
    T* __restrict__ product = to;
    for (int64_t i = 0; i < n; ++i) product[i] = one[i] * other[i];
}

template <class T>
INLINE T sum_of_products(const T* a, const T* b, int64_t n) {
    T sums[LANES] = {};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t lane = 0; lane < LANES; ++lane) sums[lane] += a[i + lane] * b[i + lane];
    for (int64_t lane = 0; i < n; ++i, ++lane) sums[lane] += a[i] * b[i];
    T total = 0;
    for (int64_t lane = 0; lane < LANES; ++lane) total += sums[lane];
    return total;
}

template <class T>
INLINE T squared_distance_from_one(const T* values, int64_t n) {
    T sums[LANES] = {};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t lane = 0; lane < LANES; ++lane) {
            const T apart = values[i + lane] - T(1);
            sums[lane] += apart * apart;
        }
    for (int64_t lane = 0; i < n; ++i, ++lane) sums[lane] += (values[i] - T(1)) * (values[i] - T(1));
    T total = 0;
    for (int64_t lane = 0; lane < LANES; ++lane) total += sums[lane];
    return total;
}

// Map rows `h` (B, in) to `out` (B, out); the domains' rows are brought up to date. `distance` is the sum of
// the shares times the squared distances. Returns the place of the first domain that the tables lack, or -1.
template <class T>
INLINE int64_t map_by_factors(const Factors<T>& f, const T* h, T* out, T* distance) {
    const int64_t n_in = f.n_in, n_out = f.n_out;
    for (int64_t u = 0; u < f.num; ++u)
        if (f.ids[u] < 0 || f.ids[u] >= f.weights->num_rows) return u;
    double total = 0.0;
    const int64_t* order = f.order;
    for (int64_t u = 0; u < f.num; order += f.sizes[u++]) {
        const int64_t n = f.sizes[u], domain = f.ids[u];
        const bool is_small = f.gemm == nullptr || n <= FEW;
        T* x = f.scratch;             // (n, in)
        T* y = x + n * n_in;          // (n, out)
        T* products = y + n * n_out;  // (out, in), or a row of it
        take(order, n, n_in, h, x);
        const Missed<T> missed(*f.weights, domain);
        T* own = f.weights->row(domain);
        double apart = 0.0;
        for (int64_t o = 0; o < n_out; ++o, own += n_in) {
            if (missed.is_late) missed.move(own, own + f.weights->width, own + 2 * f.weights->width, n_in);
            const T* row = own;
            if (f.weight != nullptr) {
                T* product = is_small ? products : products + o * n_in;
                multiply_elements(own, f.weight + o * n_in, n_in, product);
                row = product;
            }
            if (is_small)
                for (int64_t j = 0; j < n; ++j) y[j * n_out + o] = sum_of_products(x + j * n_in, row, n_in);
            if (f.share != nullptr) apart += squared_distance_from_one(own, n_in);
        }
        f.weights->last[domain] = f.weights->steps;
        const T* matrix = f.weight == nullptr ? f.weights->row(domain) : products;
        if (!is_small) multiply(f.gemm, "TN", n_out, n, n_in, matrix, x, y);
        bring_up_to_date(*f.biases, domain);
        const T* own_bias = f.biases->row(domain);
        for (int64_t j = 0; j < n; ++j)
            for (int64_t o = 0; o < n_out; ++o) y[j * n_out + o] += (f.bias == nullptr ? T(0) : f.bias[o]) + own_bias[o];
        put(order, n, n_out, y, out);
        if (f.share != nullptr) total += double(f.share[u]) * apart;
    }
    *distance = T(total);
    return -1;
}

// The gradients of `map_by_factors`, (B, in) and of what is shared, (out, in) and (out,), and one step of Adam on the
// domains' own.
template <class T>
INLINE void step_factors(const Factors<T>& f, const T* h, const T* grad, T of_distance, T* grad_h, T* grad_weight,
                         T* grad_bias) {
    const int64_t n_in = f.n_in, n_out = f.n_out, width = f.weights->width;
    const int32_t number = f.weights->steps + 1;
    const Step<T> adam(*f.weights, number);
    const int64_t* order = f.order;
    for (int64_t u = 0; u < f.num; order += f.sizes[u++]) {
        const int64_t n = f.sizes[u], domain = f.ids[u];
        const bool is_small = f.gemm == nullptr || n <= FEW;
        const bool is_fixed = domain == f.weights->fixed || !f.weights->may_move();
        T* x = f.scratch;                    // (n, in)
        T* y = x + n * n_in;                 // (n, out)
        T* grad_x = y + n * n_out;           // (n, in)
        T* own_bias_grad = grad_x + n * n_in;  // (out,)
        T* products = own_bias_grad + n_out;   // (out, in), or a row of it
        T* outer = products + n_out * n_in;    // likewise
        take(order, n, n_in, h, x);
        take(order, n, n_out, grad, y);
        T* own = f.weights->row(domain);
        if (is_small) {
            std::memset(grad_x, 0, n * n_in * sizeof(T));
        } else {
            if (f.weight != nullptr) multiply_elements(own, f.weight, n_out * n_in, products);
            multiply(f.gemm, "NN", n_in, n, n_out, f.weight == nullptr ? own : products, y, grad_x);
            multiply(f.gemm, "NT", n_in, n_out, n, x, y, outer);
        }
        const T pull = f.share == nullptr ? T(0) : T(2) * of_distance * f.share[u];
        for (int64_t o = 0; o < n_out; ++o, own += n_in) {
            const T* __restrict__ shared = f.weight == nullptr ? nullptr : f.weight + o * n_in;
            T* __restrict__ of_product = is_small ? outer : outer + o * n_in;
            if (is_small) {
                const T* product = own;
                if (shared != nullptr) {
                    multiply_elements(own, shared, n_in, products);
                    product = products;
                }
                std::memset(of_product, 0, n_in * sizeof(T));
                for (int64_t j = 0; j < n; ++j) {
                    const T slope = y[j * n_out + o];
                    const T* __restrict__ row = x + j * n_in;
                    T* __restrict__ grad_row = grad_x + j * n_in;
                    for (int64_t i = 0; i < n_in; ++i) {
                        grad_row[i] += slope * product[i];
                        of_product[i] += slope * row[i];
                    }
                }
            }
            T* __restrict__ value = own;
            T* __restrict__ first = own + width;
            T* __restrict__ second = first + width;
            if (shared == nullptr) {
                if (!is_fixed)
                    for (int64_t i = 0; i < n_in; ++i) adam.move(value[i], first[i], second[i], of_product[i]);
                continue;
            }
            T* __restrict__ grad_shared = grad_weight + o * n_in;
            for (int64_t i = 0; i < n_in; ++i) grad_shared[i] += value[i] * of_product[i];
            if (!is_fixed)
                for (int64_t i = 0; i < n_in; ++i)
                    adam.move(value[i], first[i], second[i], of_product[i] * shared[i] + pull * (value[i] - T(1)));
        }
        put(order, n, n_in, grad_x, grad_h);
        std::memset(own_bias_grad, 0, n_out * sizeof(T));
        for (int64_t j = 0; j < n; ++j)
            for (int64_t o = 0; o < n_out; ++o) own_bias_grad[o] += y[j * n_out + o];
        T* own_bias = f.biases->row(domain);
        for (int64_t o = 0; o < n_out; ++o) {
            if (f.bias != nullptr) grad_bias[o] += own_bias_grad[o];
            if (!is_fixed) adam.move(own_bias[o], own_bias[n_out + o], own_bias[2 * n_out + o], own_bias_grad[o]);
        }
        if (f.weights->may_move()) f.weights->last[domain] = f.biases->last[domain] = number;
    }
}

}  // namespace

#define EXPORT extern "C" FOR_EACH_PROCESSOR
#define FOR_TYPE(T, NAME)                                                                                             \
    EXPORT int64_t look_up_##NAME(State<T>* s, const int32_t* ids, int64_t n, int32_t* places, T* out) {              \
        return look_up(*s, ids, n, places, out);                                                                      \
    }                                                                                                                 \
    EXPORT void step_##NAME(State<T>* s, const T* gradient, const int32_t* places, int64_t n) {                       \
        step(*s, gradient, places, n);                                                                                \
    }                                                                                                                 \
    EXPORT void catch_up_##NAME(State<T>* s) { catch_up(*s); }                                                        \
    EXPORT void sum_by_group_##NAME(const int64_t* group, int64_t num_rows, int64_t width, const T* rows, const T* factors, \
                               T* sums) {                                                                             \
        sum_by_group(group, num_rows, width, rows, factors, sums);                                                    \
    }                                                                                                                 \
    EXPORT void add_products_##NAME(const int64_t* group, int64_t num_rows, int64_t width, const T* rows, const T* factors, \
                               T* to) {                                                                               \
        add_products(group, num_rows, width, rows, factors, to);                                                      \
    }                                                                                                                 \
    EXPORT void take_##NAME(const int64_t* numbers, int64_t num_rows, int64_t width, const T* rows, T* to) {          \
        take(numbers, num_rows, width, rows, to);                                                                     \
    }                                                                                                                 \
    EXPORT int64_t map_by_factors_##NAME(const Factors<T>* f, const T* h, T* out, T* distance) {                         \
        return map_by_factors(*f, h, out, distance);                                                                         \
    }                                                                                                                 \
    EXPORT void step_factors_##NAME(const Factors<T>* f, const T* h, const T* grad, T of_distance, T* grad_h,         \
                               T* grad_weight, T* grad_bias) {                                                        \
        step_factors(*f, h, grad, of_distance, grad_h, grad_weight, grad_bias);                                       \
    }

FOR_TYPE(float, float32)
FOR_TYPE(double, float64)
