import { createApp, h } from 'vue'
createApp({ render: () => h('p', '开门红') }).mount('#app')
