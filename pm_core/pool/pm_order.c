/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_order.h"

#include "pm_core/os/pm_fds.h"

pm_order_t *pm_order_create(pm_worker_group_t *group, apr_size_t size)
{
    apr_pool_t *p = pm_subpool_create(group->p);
    pm_order_t *order = apr_pcalloc(p, size);

    order->group = group;
    order->p = p;
    order->birth_fd = order->output_fd = -1;
    order->watch.ctx = order->timer.ctx = order;
    order->shm_index = pm_worker_shm_claim(group->shm);
    group->ordered++;
    group->context->alive++;
    return order;
}

void pm_order_close(pm_order_t *order)
{
    pm_loop_t *loop = order->group->context->loop;

    pm_loop_at(loop, &order->timer, PM_TIME_NEVER);
    pm_loop_unwatch(loop, &order->watch);
    pm_fds_close(&order->birth_fd);
    pm_fds_close(&order->output_fd);
}

static void order_leave(pm_order_t *order)
{
    pm_worker_group_t *group = order->group;

    pm_order_close(order);
    APR_RING_REMOVE(order, link);
    group->ordered--;
    group->context->alive--;
    group->events->changed(group->pool);
}

void pm_order_end(pm_order_t *order)
{
    order_leave(order);
    pm_worker_shm_release(order->group->shm, order->shm_index);
    apr_pool_destroy(order->p);
}

pm_worker_t *pm_order_adopt(pm_order_t *order, const pm_worker_origin_t *from,
                            pid_t pid, int exec_fd)
{
    pm_spawned_t born = {pid, exec_fd, order->output_fd};
    pm_worker_t *w;

    order->output_fd = -1;
    order_leave(order);
    w = pm_worker_adopt(order->group, from, &born, order->shm_index,
                        pm_time_now());
    apr_pool_destroy(order->p);
    return w;
}
