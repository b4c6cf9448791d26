// What the page says, in each language. A test sees that no key is missing in one of them.
const en = {
  overview: 'Overview', doctor: 'Doctor', topics: 'Topics', topic: 'topic', waiting: 'waiting', delayed: 'delayed',
  held: 'held', dead: 'dead', consumers: 'consumers', produced: 'produced', completed: 'completed', retried: 'retried',
  suspects: 'suspects', became_dead: 'became dead', expired: 'expired', cancelled: 'cancelled', recovered: 'recovered',
  lease_lost: 'lease lost', partitions: 'partitions', in_rate: 'in/s', out_rate: 'out/s', problems: 'Problems',
  no_problems: 'No problem seen.', no_topics: 'No topic yet: nothing was produced with this prefix.',
  nobody: 'messages wait, and no process consumes the topic', has_dead: 'dead letters',
  stale: 'Redis does not answer. What you see is of', reconnecting: 'The server of this page does not answer; trying again.',
  dead_letters: 'Dead letters', groups: 'By error', newest: 'newest', count: 'count', reason: 'reason', error: 'error',
  looked_at: 'Of the newest {n}', none_dead: 'No dead letters.', id: 'id', died: 'died', payload: 'Payload',
  payload_cut: 'cut off here', headers: 'Headers', back: 'back', older: 'older', newer: 'newer', not_found: 'There is none.',
  good: 'good', note: 'note', warning: 'warning', critical: 'critical', filter: 'Filter', language: '中文', login: 'Not signed in',
  login_how: 'Open the address that mxrmq serve has printed, or put its token here.', token: 'Token', open: 'Open',
  loading: 'Loading …', counters: 'Since counting began', now: 'Now', show_all: 'all',
};
const zh = {
  overview: '总览', doctor: '诊断', topics: '主题', topic: '主题', waiting: '等待', delayed: '延迟',
  held: '处理中', dead: '死信', consumers: '消费者', produced: '已生产', completed: '已完成', retried: '已重试',
  suspects: '可疑', became_dead: '成为死信', expired: '已过期', cancelled: '已取消', recovered: '已回收',
  lease_lost: '租约丢失', partitions: '分区', in_rate: '入/秒', out_rate: '出/秒', problems: '问题',
  no_problems: '未发现问题。', no_topics: '尚无主题：此前缀下没有生产过消息。',
  nobody: '条消息在等待，但没有进程消费该主题', has_dead: '条死信',
  stale: 'Redis 无响应。当前显示的是此时的数据：', reconnecting: '本页面的服务器无响应，正在重试。',
  dead_letters: '死信', groups: '按错误', newest: '最新', count: '数量', reason: '原因', error: '错误',
  looked_at: '最新的 {n} 条之中', none_dead: '没有死信。', id: '编号', died: '死亡时间', payload: '内容',
  payload_cut: '此处截断', headers: '消息头', back: '返回', older: '更早', newer: '更新', not_found: '不存在。',
  good: '正常', note: '提示', warning: '警告', critical: '严重', filter: '筛选', language: 'English', login: '未登录',
  login_how: '请打开 mxrmq serve 打印的地址，或在此输入令牌。', token: '令牌', open: '打开',
  loading: '加载中……', counters: '自计数开始', now: '当前', show_all: '全部',
};
export const languages = { en, 'zh-CN': zh };
